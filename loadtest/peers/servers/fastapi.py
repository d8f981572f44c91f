"""FastAPI and onnxruntime under uvicorn: what most teams write themselves."""

import signal

from servers.peer import Peer


class FastApi(Peer):
    key = "fastapi"
    title = "FastAPI + onnxruntime"
    package = "fastapi"
    how = "uvicorn with 2 worker processes, one session each; no batching, as usual there"
    replacing = "SIGHUP to uvicorn's process manager, which restarts its workers one after the other"

    def command(self, seat):
        return [self.program("uvicorn"), "fastapi_app:app", "--host", "127.0.0.1", "--port", str(seat.port),
                "--workers", str(self.workers[seat.work.key]), "--log-level", "warning", "--no-access-log"]  # fmt: skip

    def replace(self, seat, server):
        seat.point_to("v2")
        server.signal(signal.SIGHUP)
