"""Makes both workloads: networks with random weights, pictures, and their expected labels.

usage: make_works.py FOLDER     (in the virtual environment of requirements/works.txt)

Seeds are fixed and nothing is fetched. A network with random weights says nearly the same of every picture; so its last
layer is fitted to the pictures themselves, and each gets a label of its own with a clear lead. That makes a wrong answer
visible, and takes the time that trained weights would.
"""

import json
import os
import pathlib
import sys

import numpy as np
import onnx

import networks
import pictures

PICTURES = 8
# W1 as for MNIST; W2 as torchvision's networks need it.
WORKS = {
    "w1": {
        "classes": 10,
        "network": networks.mlp,
        "pictures": pictures.digits,
        "transform": {"width": 28, "height": 28, "color": "gray", "mean": [0.1307], "std": [0.3081], "flat": True,
                      "max_batch": 64},
    },
    "w2": {
        "classes": 1000,
        "network": networks.squeezenet,
        "pictures": pictures.photographs,
        "transform": {"width": 224, "height": 224, "color": "rgb", "mean": [0.485, 0.456, 0.406],
                      "std": [0.229, 0.224, 0.225], "flat": False, "max_batch": 8},
    },
}  # fmt: skip


def make(folder, work, seed):
    folder.mkdir(parents=True)
    (folder / "pictures").mkdir()
    (folder / "transform.json").write_text(json.dumps(work["transform"], indent=1))
    (folder / "labels.txt").write_text("".join(f"class-{k}\n" for k in range(work["classes"])))
    for name, encoded in work["pictures"](PICTURES, seed):
        (folder / "pictures" / name).write_bytes(encoded)

    os.environ.update(PEERS_WORK=str(folder), PEERS_MODEL="")
    # The module reads its workload when it is imported, so the second workload needs another process.
    sys.modules.pop("classifier", None)
    import classifier

    paths = sorted((folder / "pictures").iterdir())
    inputs = [classifier.decode(path.read_bytes()) for path in paths]
    # Each picture has its own label as long as there are enough classes, and another one in the second version.
    labels = np.arange(PICTURES) % work["classes"]
    right = {}
    for version, shift in (("v1", 0), ("v2", work["classes"] // 2)):
        wanted = (labels + shift) % work["classes"]
        model = work["network"](seed + shift, inputs, wanted)
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{version}.onnx")
        answers = classifier.Classifier(str(folder / f"{version}.onnx")).classify(inputs)
        right[version] = {path.name: answer["label"] for path, answer in zip(paths, answers, strict=True)}
        if [answer["label"] for answer in answers] != [classifier.LABELS[k] for k in wanted]:
            sys.exit(f"{folder.name} {version} was not fitted: {answers}")
    (folder / "right.json").write_text(json.dumps(right, indent=1))


if __name__ == "__main__":
    for seed, (name, work) in enumerate(WORKS.items(), 1):
        make(pathlib.Path(sys.argv[1]) / name, work, seed)
