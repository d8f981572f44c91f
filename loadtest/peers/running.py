"""Starts a server through its guard, sends it requests, measures it and stops it."""

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import processes

HERE = pathlib.Path(__file__).resolve().parent


class Failed(Exception):
    """A peer failed; the text has the step and the reason."""


def free_ports(count):
    """All sockets are held until the last port is known, so that the ports differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def post(port, path, body, headers, timeout):
    """Status and body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise Failed(f"the response is not HTTP: {error!r}") from error
    finally:
        connection.close()


class Running:
    def __init__(self, command, environment, folder):
        self.command, self.environment, self.folder = command, environment, folder
        self.log = folder / "log"
        self.guard = None
        self.start()

    def start(self):
        self.guard = subprocess.Popen(
            [sys.executable, "-B", "-S", HERE / "guard.py", self.log, *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=os.environ | self.environment,
        )
        fields = self.guard.stdout.readline().split()
        if len(fields) != 2:
            self.stop()
            raise Failed(f"could not be started: {self.last_words()}")
        self.pid, self.started = int(fields[0]), int(fields[1]) / 1e9

    def stop(self):
        self.guard.stdin.close()
        self.guard.wait()
        self.guard.stdout.close()

    def signal(self, number):
        os.kill(self.pid, number)

    def restart(self):
        self.stop()
        self.start()

    def alive(self):
        return self.guard.poll() is None

    def seconds(self):
        """Since the server was started."""
        return time.monotonic() - self.started

    def cpu_seconds(self):
        return processes.tree_cpu_seconds(self.guard.pid)

    def pss_bytes(self):
        return processes.tree_pss_bytes(self.guard.pid)

    def last_words(self, lines=12):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:]) or "no output"


def stop_at_the_end():
    """Turns a signal into an exception, so that started processes are stopped on the way out."""

    def leave(number, _frame):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
