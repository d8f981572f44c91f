"""Ray Serve."""

import shutil
import signal
import tempfile

from servers.peer import WORKERS, Peer


class Ray(Peer):
    key = "ray"
    title = "Ray Serve"
    package = "ray"
    start_seconds = 120
    how = f"{WORKERS} replicas, @serve.batch up to 64 (W1) and 8 (W2), 1 ms wait, without dashboard"
    replacing = "a config with another `user_config` is deployed, which the replicas take in place (`reconfigure`)"

    def prepare(self, seat):
        # The paths of its sockets have to be short, so this can't lie where everything else does.
        self.temp = tempfile.mkdtemp(prefix="ray-")

    def clean(self, seat):
        shutil.rmtree(self.temp, ignore_errors=True)

    def command(self, seat):
        return [self.program("python"), self.app("ray_app.py")]

    def environment(self, seat):
        return super().environment(seat) | {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "disabled",
            "RAY_SERVE_LOG_TO_STDERR": "0",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "PEERS_WORKERS": str(WORKERS),
            "PEERS_TEMP": self.temp,
            "PEERS_WAIT": "0.001",
        }

    def replace(self, seat, server):
        seat.point_to("v2")
        server.signal(signal.SIGHUP)
