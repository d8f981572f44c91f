"""FastAPI and onnxruntime under uvicorn: the usual self-written server."""

import signal

from servers.peer import Peer


class FastApi(Peer):
    key = "fastapi"
    title = "FastAPI + onnxruntime"
    package = "fastapi"
    how = "uvicorn with 2 worker processes, one session each; no batching, as usual there"
    replacing = "SIGHUP to uvicorn's process manager, which restarts its workers one after the other"

    def command(self, seat):
        # By default uvicorn gives up the replacement if a new worker isn't ready within 5 s, as on a busy machine.
        options = [
            "--host",
            "127.0.0.1",
            "--timeout-worker-healthcheck",
            "60",
            "--log-level",
            "warning",
            "--no-access-log",
        ]
        workers = ["--workers", str(self.workers[seat.work.key])]
        return [self.program("uvicorn"), "fastapi_app:app", "--port", str(seat.port), *workers, *options]

    def replace(self, seat, server):
        seat.point_to("v2")
        server.signal(signal.SIGHUP)
