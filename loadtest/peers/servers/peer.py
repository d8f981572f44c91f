"""What is asked of every server that is measured."""

import dataclasses
import json
import pathlib
import time
from typing import ClassVar

from running import Failed, free_ports, post
from work import Work

APPS = pathlib.Path(__file__).resolve().parent.parent / "apps"
TARGET = APPS.parent.parent.parent / "target"
REPLACE_SECONDS = 120


@dataclasses.dataclass
class Seat:
    """One start of one server: its work, a folder for its files, ports that are free."""

    work: Work
    folder: pathlib.Path
    ports: list = dataclasses.field(default_factory=lambda: free_ports(4))

    @property
    def port(self):
        return self.ports[0]

    @property
    def model(self):
        """The link that names the network which is served."""
        return self.folder / "model.onnx"

    def point_to(self, version):
        """Makes the link, or lets it name another file, at one stroke."""
        new = self.folder / "new.onnx"
        new.symlink_to(self.work.network(version).resolve())
        new.replace(self.model)


class Peer:
    key = ""
    title = ""
    # The distribution whose version is shown.
    package = ""
    # How it is configured, and how a model is replaced, for the report.
    how = ""
    replacing = ""
    # Processes or instances with a session each, by work: what was best on two cores (README.md).
    workers: ClassVar = {"w1": 2, "w2": 2}
    path = "/predict"
    start_seconds = 60

    @property
    def venv(self):
        return TARGET / "peers" / "venv" / self.key

    @property
    def requirements(self):
        return APPS.parent / "requirements" / f"{self.key}.txt"

    def program(self, name):
        return self.venv / "bin" / name

    def app(self, name):
        return APPS / name

    def prepare(self, seat):
        """Writes what the server reads at its start."""

    def clean(self, seat):
        """Removes what `prepare` left elsewhere."""

    def command(self, seat):
        raise NotImplementedError(self.key)

    def environment(self, seat):
        return {
            "PATH": f"{self.venv / 'bin'}:/usr/bin:/bin",
            # Some leave things in it.
            "HOME": str(seat.folder),
            "PYTHONPATH": str(APPS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PEERS_WORK": str(seat.work.folder),
            "PEERS_MODEL": str(seat.model),
            "PEERS_PORT": str(seat.port),
            "PEERS_WORKERS": str(self.workers[seat.work.key]),
            # For what doesn't go through the session's own options.
            "OMP_NUM_THREADS": "1",
        }

    def body(self, path):
        """What is sent for a picture's file, and what the file with it must end in."""
        return path.read_bytes(), path.suffix

    def headers(self, seat):
        return {}

    def label(self, answer):
        return json.loads(answer)["label"]

    def replace(self, seat, server):
        """Serves v2 from now on: what the server's own documentation gives for that. Most have nothing but a restart."""
        seat.point_to("v2")
        server.restart()

    def ask(self, seat, body, ending, timeout=10):
        types = {".png": "image/png", ".jpg": "image/jpeg", ".json": "application/json"}
        headers = {"content-type": types.get(ending, "application/octet-stream")} | self.headers(seat)
        status, answer = post(seat.port, self.path, body, headers, timeout)
        if status != 200:
            raise Failed(f"answered {status}: {answer[:300].decode(errors='replace')}")
        try:
            return self.label(answer)
        except (ValueError, LookupError, TypeError) as error:
            raise Failed(f"answered {answer[:300]!r}, in which no label is found ({error!r})") from error

    def first_answer(self, seat, server, body, ending):
        """Waits until a request is answered: how long after the server's start that was."""
        while True:
            try:
                self.ask(seat, body, ending)
                return server.seconds()
            except (OSError, EOFError, Failed) as error:
                reason = error
            if not server.alive():
                raise Failed(f"it ended by itself: {server.last_words()}")
            if server.seconds() > self.start_seconds:
                raise Failed(f"no answer after {self.start_seconds} s ({reason}): {server.last_words()}")
            time.sleep(0.005)
