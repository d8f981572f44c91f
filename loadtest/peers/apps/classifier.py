"""From an encoded picture to a label and its probability, with Pillow, numpy and onnxruntime.

Every peer runs this, so that they differ in how they serve and in nothing else. Where things are, the runner says in the
environment: PEERS_WORK is the folder of the work (transform and labels), PEERS_MODEL the network; it is a link, and
replacing a model means that the link names another file and the server loads what it now names.
"""

import io
import json
import os
import pathlib

import numpy as np
import onnxruntime
from PIL import Image

WORK = pathlib.Path(os.environ["PEERS_WORK"])
MODEL = os.environ["PEERS_MODEL"]
TRANSFORM = json.loads((WORK / "transform.json").read_text())
LABELS = (WORK / "labels.txt").read_text().splitlines()
SIZE = TRANSFORM["width"], TRANSFORM["height"]
MODE = {"gray": "L", "rgb": "RGB"}[TRANSFORM["color"]]
# (byte / 255 - mean) / std as one product and one sum.
STD = np.array(TRANSFORM["std"], dtype=np.float32)
FACTOR = np.float32(1 / 255) / STD
OFFSET = -np.array(TRANSFORM["mean"], dtype=np.float32) / STD
# The largest batch, for the configuration of the peers' batchers.
MAX_BATCH = TRANSFORM["max_batch"]


def decode(encoded):
    """The network's input for one picture, without the batch dimension."""
    picture = Image.open(io.BytesIO(encoded))
    if picture.mode != MODE:
        picture = picture.convert(MODE)
    if picture.size != SIZE:
        picture = picture.resize(SIZE, Image.Resampling.BILINEAR)
    pixels = np.asarray(picture, dtype=np.float32) * FACTOR + OFFSET
    if TRANSFORM["flat"]:
        return pixels.ravel()
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


class Classifier:
    """One session with one thread."""

    def __init__(self, model=MODEL):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # The link may point to another file later.
        path = os.path.realpath(model)
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def classify(self, inputs):
        """One answer for each input from `decode`."""
        logits = self.session.run(None, {self.input: np.stack(inputs)})[0]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        best = odds.argmax(axis=1)
        return [{"label": LABELS[k], "probability": float(row[k])} for k, row in zip(best, odds, strict=True)]
