"""Triton, from PyPI's nvidia-pytriton."""

import json
import shutil
import struct
import sysconfig
from typing import ClassVar

from running import Failed, post
from servers.peer import Peer

CONFIG = """
name: "pictures"
backend: "python"
max_batch_size: {max_batch}
input [{{ name: "picture", data_type: TYPE_STRING, dims: [1] }}]
output [{{ name: "label", data_type: TYPE_STRING, dims: [1] }}, {{ name: "probability", data_type: TYPE_FP32, dims: [1] }}]
instance_group [{{ count: {workers}, kind: KIND_CPU }}]
dynamic_batching {{ }}
"""
# JSON may be padded with blanks, so that the JSON part of all requests has the same length, which an HTTP header gives.
HEADER_BYTES = 256


class Triton(Peer):
    key = "triton"
    title = "Triton (Python backend)"
    package = "nvidia-pytriton"
    how = (
        "the tritonserver in nvidia-pytriton's wheel; it lacks the C++ ONNX backend, so decoding and onnxruntime run in "
        "1 instance (W1) and 2 (W2) of its Python backend, in batches of its dynamic batcher (up to 64 and 8, no wait); pictures "
        "are sent with the binary extension"
    )
    replacing = "`--model-control-mode=explicit`, `POST /v2/repository/models/pictures/load`: loads the new one, then switches"
    workers: ClassVar = {"w1": 1, "w2": 2}
    path = "/v2/models/pictures/infer"

    @property
    def packages(self):
        return next(self.venv.glob("lib/python3*/site-packages"))

    @property
    def tritonserver(self):
        return self.packages / "pytriton" / "tritonserver"

    def prepare(self, seat):
        model = seat.folder / "models" / "pictures"
        shutil.rmtree(model, ignore_errors=True)
        (model / "1").mkdir(parents=True)
        # The backend's Python looks only in the model's folders and in the virtual environment on PATH.
        shutil.copy(self.app("triton_model.py"), model / "1" / "model.py")
        shutil.copy(self.app("classifier.py"), model / "1")
        text = CONFIG.format(max_batch=seat.work.transform["max_batch"], workers=self.workers[seat.work.key])
        (model / "config.pbtxt").write_text(text)
        # The wheel has a stub for each Python version; this one's must lie next to the backend.
        backend = seat.folder / "backends" / "python"
        shutil.copytree(self.tritonserver / "backends" / "python", backend, dirs_exist_ok=True)
        stub = (
            self.tritonserver / "python_backend_stubs" / sysconfig.get_python_version() / "triton_python_backend_stub"
        )
        shutil.copy(stub, backend)

    def command(self, seat):
        _, grpc, metrics, _ = seat.ports
        return [self.tritonserver / "bin" / "tritonserver", f"--model-repository={seat.folder / 'models'}",
                f"--backend-directory={seat.folder / 'backends'}", "--model-control-mode=explicit", "--load-model=pictures",
                "--http-address=127.0.0.1", f"--http-port={seat.port}", "--grpc-address=127.0.0.1",
                f"--grpc-port={grpc}", "--metrics-address=127.0.0.1", f"--metrics-port={metrics}"]  # fmt: skip

    def environment(self, seat):
        libraries = [self.packages / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR")]
        return super().environment(seat) | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def body(self, path):
        picture = path.read_bytes()
        # A string is written as its length followed by its bytes.
        binary = struct.pack("<I", len(picture)) + picture
        of = {"name": "picture", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(binary)}}
        return json.dumps({"inputs": [of]}).encode().ljust(HEADER_BYTES) + binary, ".bin"

    def headers(self, seat):
        return {"inference-header-content-length": str(HEADER_BYTES)}

    def label(self, answer):
        return next(each["data"][0] for each in json.loads(answer)["outputs"] if each["name"] == "label")

    def replace(self, seat, server):
        seat.point_to("v2")
        # Triton reloads only if a file of the model has changed.
        model = seat.folder / "models" / "pictures" / "1" / "model.py"
        model.write_text(model.read_text() + "\n")
        status, answer = post(seat.port, "/v2/repository/models/pictures/load", b"{}", {}, 60)
        if status != 200:
            raise Failed(f"load answered {status}: {answer[:300]!r}")
