"""Ray Serve."""

import signal

from servers.peer import WORKERS, Peer


class Ray(Peer):
    key = "ray"
    title = "Ray Serve"
    package = "ray"
    start_seconds = 120
    how = f"{WORKERS} replicas, @serve.batch up to 64 (W1) and 8 (W2), 1 ms wait, without dashboard"
    replacing = "`serve.run` with another `user_config`, which its replicas take in place (`reconfigure`)"

    def command(self, seat):
        return [self.program("python"), self.app("ray_app.py")]

    def environment(self, seat):
        return super().environment(seat) | {
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_LOG_TO_STDERR": "0",
            "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
            "PEERS_WORKERS": str(WORKERS),
            "PEERS_WAIT": "0.001",
        }

    def replace(self, seat, server):
        seat.point_to("v2")
        server.signal(signal.SIGHUP)
