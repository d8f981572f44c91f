"""Starts the server under test and its Prometheus on free ports, and stops them at the end."""

import contextlib
import datetime
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from places import PROMETHEUS, ROOT


class Missed(AssertionError):
    """An expected event didn't happen."""


def until(what, look, seconds, every=0.2):
    """Calls `look` repeatedly until it returns something true."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Missed(f"{what}: not within {seconds} s")
        time.sleep(every)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(method, url, body=None, headers=None, seconds=20):
    """Status and text of the response, also of an error status."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)


class Child:
    """A child process with its output in a file."""

    def __init__(self, name, folder, command, **environment):
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=os.environ | environment
            )

    def alive(self):
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-3000:]
            raise Missed(f"{self.log.stem} has ended with {self.process.returncode}:\n{tail}")
        return True

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


# Settings of every server under test: free ports, its own folder, and a version in each role that a canary needs.
PLACES = """
[server]
listen = "127.0.0.1:{port}"
admin_listen = "127.0.0.1:{admin}"

[repository]
path = "{folder}/models"

[models.fashion]
stable = "s1"
teacher = "teacher-1"

[control]
state_path = "{folder}/state"
"""


class Server:
    """Stillhouse on a copy of the shipped models, so that broken versions can be added. `settings` come after PLACES."""

    def __init__(self, program, folder, settings):
        self.program, self.folder = program, folder
        self.port, self.admin_port = free_port(), free_port()
        self.models = folder / "models"
        shutil.copytree(ROOT / "models", self.models)
        self.settings = folder / "stillhouse.toml"
        places = PLACES.format(port=self.port, admin=self.admin_port, folder=folder)
        self.settings.write_text(places + settings)
        self.child = None

    def start(self):
        command = [self.program, "serve", "--config", self.settings]
        libraries = {"ORT_DYLIB_PATH": str(ROOT / "target/onnxruntime")} if "ORT_DYLIB_PATH" not in os.environ else {}
        self.child = Child("server", self.folder, command, **libraries)
        ready = f"http://127.0.0.1:{self.port}/readyz"
        until("the server is ready", lambda: self.child.alive() and ask("GET", ready, seconds=1)[0] == 200, 60)

    def stop(self, how=signal.SIGTERM):
        if self.child:
            self.child.stop(how)

    def admin(self, method, path, body=None):
        url = f"http://127.0.0.1:{self.admin_port}/admin/models/fashion{path}"
        body = None if body is None else json.dumps(body).encode()
        return ask(method, url, body, {"content-type": "application/json"}, seconds=120)

    def order(self, method, path, body=None):
        """An admin request, which must succeed."""
        status, text = self.admin(method, f"{path}?force=true", body or {})
        if status not in (200, 201):
            raise Missed(f"{method} {path} was answered with {status}: {text}")
        return json.loads(text)

    def deployment(self):
        return json.loads(self.admin("GET", "")[1])

    def send(self, bodies, threads=4, keys=None, seconds=60):
        """Sends each body once, over a few connections; returns statuses and answering roles."""
        waiting, answers, lock = list(enumerate(bodies)), [], threading.Lock()
        waiting.reverse()
        deadline = time.monotonic() + seconds

        def one_connection():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            while time.monotonic() < deadline:
                with lock:
                    if not waiting:
                        return connection.close()
                    number, body = waiting.pop()
                headers = {"x-user": keys[number]} if keys else {}
                try:
                    connection.request("POST", "/predict?top_k=1", body, headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    seen = json.loads(text) if answer.status == 200 else {}
                except (OSError, http.client.HTTPException, ValueError):
                    connection.close()
                    answer, seen = None, {}
                with lock:
                    answers.append((answer.status if answer else 0, seen))

        at_work = [threading.Thread(target=one_connection) for _ in range(threads)]
        for thread in at_work:
            thread.start()
        for thread in at_work:
            thread.join()
        if waiting:
            raise Missed(f"{len(waiting)} requests were not sent within {seconds} s")
        return answers


class Prometheus:
    """Debian's Prometheus with a copy of our configuration that scrapes every second and delays alerts by a second."""

    def __init__(self, folder, target):
        self.folder, self.port = folder, free_port()
        self.began = time.time()
        shutil.copytree(PROMETHEUS / "rules", folder / "rules")
        for path in (folder / "rules").iterdir():
            path.write_text(hurried(path.read_text()))
        text = hurried((PROMETHEUS / "prometheus.yml").read_text())
        (folder / "prometheus.yml").write_text(text.replace("stillhouse:8081", target))
        self.child = None

    def start(self):
        program = shutil.which("prometheus")
        command = [
            program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        self.child = Child("prometheus", self.folder, command)
        ready = f"http://127.0.0.1:{self.port}/-/ready"
        until("Prometheus is ready", lambda: self.child.alive() and ask("GET", ready, seconds=1)[0] == 200, 30)

    def stop(self):
        if self.child:
            self.child.stop()

    def get(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}"
        status, text = ask("GET", url)
        if status != 200:
            raise Missed(f"Prometheus answered {path} {parameters} with {status}: {text}")
        return json.loads(text)["data"]

    def now(self, expr):
        """Series and their current values."""
        return [(one["metric"], float(one["value"][1])) for one in self.get("query", query=expr)["result"]]

    def ever(self, expr):
        """Series that had a finite value at any time since the start."""
        points = self.get("query_range", query=expr, start=self.began, end=time.time(), step=1)["result"]
        finite = re.compile(r"^-?\d")
        return [one["metric"] for one in points if any(finite.match(value) for _, value in one["values"])]

    def evaluated(self):
        """The time of the least recent evaluation among all rule groups."""
        groups = self.get("rules")["groups"]
        last = (re.sub(r"\.\d+", "", group["lastEvaluation"]) for group in groups)
        return min(datetime.datetime.fromisoformat(moment).timestamp() for moment in last)

    def firing(self):
        """Names of the firing alerts; their annotations must have been rendered."""
        alerts = self.get("alerts")["alerts"]
        for alert in alerts:
            if re.search(r"<error|<no value>|\{\{", str(alert["annotations"])):
                raise Missed(f"an alert without annotations: {alert}")
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def hurried(text):
    """Rules and configuration with all delays shortened to a second; expressions are unchanged."""
    waits = r"^( *(?:for|interval|scrape_interval|evaluation_interval|scrape_timeout): ).*$"
    return re.sub(waits, r"\g<1>1s", text, flags=re.MULTILINE)


@contextlib.contextmanager
def stopped_at_the_end(*machines):
    try:
        yield
    finally:
        for machine in machines:
            machine.stop()


def built_server(given):
    """The program under test: the given one, else cargo's build."""
    for path in [given] if given else [ROOT / "target/debug/stillhouse", ROOT / "target/release/stillhouse"]:
        if path and pathlib.Path(path).is_file():
            return pathlib.Path(path).resolve()
    raise SystemExit("no server: build it with `cargo build`, or give its path")
