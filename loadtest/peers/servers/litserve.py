"""LitServe."""

from servers.peer import Peer


class LitServe(Peer):
    key = "litserve"
    title = "LitServe"
    package = "litserve"
    how = "2 inference workers behind 1 API server, batches of 64 (W1) and 8 (W2), 1 ms wait, fast queue"
    replacing = "restart: there is no other way"

    def command(self, seat):
        return [self.program("python"), self.app("litserve_app.py")]

    def environment(self, seat):
        return super().environment(seat) | {"PEERS_FRONTS": "1", "PEERS_WAIT": "0.001"}
