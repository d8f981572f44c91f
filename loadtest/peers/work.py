"""The two workloads: the network, the pictures to send, and their expected labels. Made by apps/make_works.py."""

import dataclasses
import json
import pathlib

TITLES = {
    "w1": "W1: a 784-800-800-10 network, one 28x28 gray PNG a request",
    "w2": "W2: SqueezeNet 1.1 at 224x224, one 640x480 JPEG a request",
}


@dataclasses.dataclass
class Work:
    key: str
    folder: pathlib.Path

    @property
    def title(self):
        return TITLES[self.key]

    @property
    def transform(self):
        return json.loads((self.folder / "transform.json").read_text())

    @property
    def pictures(self):
        return sorted((self.folder / "pictures").iterdir())

    def right(self, version):
        """The right label of each picture, in their order."""
        labels = json.loads((self.folder / "right.json").read_text())[version]
        return [labels[path.name] for path in self.pictures]

    def network(self, version):
        return self.folder / f"{version}.onnx"
