"""The interface of every measured server."""

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
    """One start of one server: its workload, a folder for its files, and free ports."""

    work: Work
    folder: pathlib.Path
    ports: list = dataclasses.field(default_factory=lambda: free_ports(4))

    @property
    def port(self):
        return self.ports[0]

    @property
    def model(self):
        """The symbolic link to the network that is served."""
        return self.folder / "model.onnx"

    def point_to(self, version):
        """Creates or changes the link atomically."""
        new = self.folder / "new.onnx"
        new.symlink_to(self.work.network(version).resolve())
        new.replace(self.model)


class Peer:
    key = ""
    title = ""
    # The Python distribution whose version is reported.
    package = ""
    # How it is configured, and how a model is replaced, for the report.
    how = ""
    replacing = ""
    # Number of processes or instances with a session each, by workload: the best on two cores (README.md).
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
        """Writes the files that the server reads at startup."""

    def clean(self, seat):
        """Removes files that `prepare` wrote outside the folder."""

    def command(self, seat):
        raise NotImplementedError(self.key)

    def environment(self, seat):
        return {
            "PATH": f"{self.venv / 'bin'}:/usr/bin:/bin",
            # Some servers write files there.
            "HOME": str(seat.folder),
            "PYTHONPATH": str(APPS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PEERS_WORK": str(seat.work.folder),
            "PEERS_MODEL": str(seat.model),
            "PEERS_PORT": str(seat.port),
            "PEERS_WORKERS": str(self.workers[seat.work.key]),
            # For thread pools that the session's options don't control.
            "OMP_NUM_THREADS": "1",
        }

    def body(self, path):
        """The request body for a picture's file, and the file extension for that body."""
        return path.read_bytes(), path.suffix

    def headers(self, seat):
        return {}

    def label(self, answer):
        return json.loads(answer)["label"]

    def replace(self, seat, server):
        """Replaces the model by v2, in the way that the server's documentation describes. Most servers have to be restarted."""
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
            raise Failed(f"answered {answer[:300]!r}, which has no label ({error!r})") from error

    def first_answer(self, seat, server, body, ending):
        """Waits until a request is answered and returns the seconds since the server's start."""
        while True:
            try:
                self.ask(seat, body, ending)
                return server.seconds()
            except (OSError, EOFError, Failed) as error:
                reason = error
            if not server.alive():
                raise Failed(f"it exited: {server.last_words()}")
            if server.seconds() > self.start_seconds:
                raise Failed(f"no answer after {self.start_seconds} s ({reason}): {server.last_words()}")
            time.sleep(0.005)
