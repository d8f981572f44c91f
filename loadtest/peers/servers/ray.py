"""Ray Serve."""

import pathlib
import shutil
import signal
import tempfile

from servers.peer import Peer


class Ray(Peer):
    key = "ray"
    title = "Ray Serve"
    package = "ray"
    start_seconds = 240
    how = "2 replicas, @serve.batch up to 64 (W1) and 8 (W2), 1 ms wait, its high throughput settings with HAProxy, no dashboard"
    replacing = "a config with another `user_config` is deployed, which the replicas take in place (`reconfigure`)"

    def prepare(self, seat):
        # Paths of sockets must be short, so this folder can't be with the others.
        self.temp = tempfile.mkdtemp(prefix="ray-")
        (pathlib.Path(self.temp) / "haproxy").mkdir()

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
            # Otherwise its files are in /tmp under names that two servers would share.
            "RAY_SERVE_ENABLE_HA_PROXY": "1",
            "RAY_SERVE_HAPROXY_NBTHREAD": "1",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{self.temp}/haproxy/haproxy.cfg",
            "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{self.temp}/haproxy/admin.sock",
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{self.temp}/haproxy/metrics.sock",
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": f"{self.temp}/haproxy",
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{self.temp}/haproxy/server-state",
            "PEERS_TEMP": self.temp,
            "PEERS_WAIT": "0.001",
        }

    def replace(self, seat, server):
        seat.point_to("v2")
        server.signal(signal.SIGHUP)
