"""BentoML."""

import base64
import json

from servers.peer import Peer


class BentoMl(Peer):
    key = "bentoml"
    title = "BentoML"
    package = "bentoml"
    how = (
        "`bentoml serve`, 2 workers, adaptive batching up to 64 (W1) and 8 (W2); pictures come as base64 in JSON, "
        "as a batchable API takes lists, not a plain body"
    )
    replacing = "restart: there is no other way on one machine"

    def command(self, seat):
        return [self.program("bentoml"), "serve", "bentoml_app:Pictures", "--host", "127.0.0.1",
                "--port", str(seat.port), "--working-dir", self.app(".")]  # fmt: skip

    def environment(self, seat):
        return super().environment(seat) | {
            "BENTOML_HOME": str(seat.folder / "home"),
            "BENTOML_DO_NOT_TRACK": "True",
            "PEERS_LATENCY_MS": "10000",
        }

    def body(self, path):
        return json.dumps({"pictures": [base64.b64encode(path.read_bytes()).decode()]}).encode(), ".json"

    def label(self, answer):
        return json.loads(answer)[0]["label"]
