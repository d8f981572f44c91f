"""MLServer."""

import base64
import json
from typing import ClassVar

from running import Failed, post
from servers.peer import Peer

SETTINGS = {
    "name": "pictures",
    "implementation": "mlserver_app.Pictures",
    "max_batch_time": 0.001,
}


class MlServer(Peer):
    key = "mlserver"
    title = "MLServer"
    package = "mlserver"
    workers: ClassVar = {"w1": 1, "w2": 2}
    how = (
        "a custom runtime in 1 parallel worker (W1) and 2 (W2), adaptive batching up to 64 (W1) and 8 (W2), 1 ms wait; pictures come as base64 "
        "in the V2 protocol's JSON, the only format it takes over HTTP"
    )
    replacing = "repository API: `POST /v2/repository/models/pictures/load` loads the new one before the old one is removed"
    path = "/v2/models/pictures/infer"

    def prepare(self, seat):
        _, grpc, metrics, _ = seat.ports
        server = {
            "host": "127.0.0.1",
            "http_port": seat.port,
            "grpc_port": grpc,
            "metrics_port": metrics,
            "parallel_workers": self.workers[seat.work.key],
            "debug": False,
            "metrics_dir": str(seat.folder / "metrics"),
            "environments_dir": str(seat.folder / "environments"),
        }
        (seat.folder / "settings.json").write_text(json.dumps(server))
        settings = SETTINGS | {"max_batch_size": seat.work.transform["max_batch"]}
        (seat.folder / "model-settings.json").write_text(json.dumps(settings))

    def command(self, seat):
        return [self.program("mlserver"), "start", seat.folder]

    def body(self, path):
        picture = base64.b64encode(path.read_bytes()).decode()
        of = {"name": "picture", "shape": [1, 1], "datatype": "BYTES", "parameters": {"content_type": "base64"}}
        return json.dumps({"inputs": [of | {"data": [picture]}]}).encode(), ".json"

    def label(self, answer):
        return next(each["data"][0] for each in json.loads(answer)["outputs"] if each["name"] == "label")

    def replace(self, seat, server):
        seat.point_to("v2")
        status, answer = post(seat.port, "/v2/repository/models/pictures/load", b"", {}, 60)
        if status != 200:
            raise Failed(f"load answered {status}: {answer[:300]!r}")
