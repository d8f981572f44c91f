"""The two networks, with random weights; `make_works.py` explains why they are fitted to the pictures."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
# Scores of the other classes have a spread of 1.
LEAD = 8
# SqueezeNet's modules: channels that are squeezed to, channels of each half that they expand to, pooling afterwards.
FIRES = [(16, 64, 0), (16, 64, 1), (32, 128, 0), (32, 128, 1), (48, 192, 0), (48, 192, 0), (64, 256, 0), (64, 256, 0)]


class Graph:
    """Nodes and weights, in the order in which they are added."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = {}

    def weight(self, name, shape, fan_in):
        self.weights[name] = self.random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        return name

    def add(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def layer(self, x, inputs, outputs, name):
        """Fully connected."""
        weight = self.weight(f"{name}.w", (inputs, outputs), inputs)
        self.weights[f"{name}.b"] = np.zeros(outputs, np.float32)
        return self.add("Gemm", [x, weight, f"{name}.b"], name)

    def convolution(self, x, inputs, outputs, name, size=1, stride=1, pad=0):
        weight = self.weight(f"{name}.w", (outputs, inputs, size, size), inputs * size * size)
        self.weights[f"{name}.b"] = np.zeros(outputs, np.float32)
        return self.add("Conv", [x, weight, f"{name}.b"], name, kernel_shape=[size, size], strides=[stride, stride],
                        pads=[pad] * 4)  # fmt: skip

    def model(self, shape, output, classes):
        weights = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(
            self.nodes,
            "work",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", *shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", classes])],
            weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def run(model, inputs, output=None):
    """The value of an output of `model` for `inputs`; it may be a value within the graph."""
    if output:
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": np.stack(inputs)})[0]


def fitted(graph, shape, classes, before, last, inputs, labels):
    """Centres the scores (the layer `last`, and what it gets, `before`), and raises for picture i that of labels[i] by
    LEAD: the last layer is linear, so the pseudo-inverse gives the change of weights that does only that."""
    features = run(graph.model(shape, "logits", classes), inputs, before)
    features = features.reshape(*features.shape[:2], -1).mean(axis=2).astype(np.float64)
    scores = run(graph.model(shape, "logits", classes), inputs)
    mean, spread = scores.mean(axis=0), scores.std(axis=0) + 1e-6
    wanted = np.zeros((len(inputs), classes))
    wanted[np.arange(len(inputs)), labels] = LEAD
    weight = graph.weights[f"{last}.w"]
    # [in, out] of a Gemm as it is; [out, in, 1, 1] of a convolution turned round.
    flat = weight if weight.ndim == 2 else weight[:, :, 0, 0].T
    flat = flat / spread + np.linalg.pinv(features) @ wanted
    graph.weights[f"{last}.w"] = np.ascontiguousarray(
        flat if weight.ndim == 2 else flat.T[:, :, None, None], dtype=np.float32
    )
    graph.weights[f"{last}.b"] = (-mean / spread).astype(np.float32)
    return graph.model(shape, "logits", classes)


def mlp(seed, inputs, labels):
    """784-800-800-10, as in Hinton, Vinyals and Dean 2015."""
    graph = Graph(seed)
    x = graph.add("Relu", [graph.layer("image", 784, 800, "fc1")], "relu1")
    x = graph.add("Relu", [graph.layer(x, 800, 800, "fc2")], "relu2")
    graph.layer(x, 800, 10, "logits")
    return fitted(graph, [784], 10, "relu2", "logits", inputs, labels)


def squeezenet(seed, inputs, labels):
    """SqueezeNet 1.1 as torchvision has it: 1.2 million weights. Scores are averaged before any activation, so that
    the last layer is linear."""
    graph = Graph(seed)
    x = graph.add("Relu", [graph.convolution("image", 3, 64, "conv1", 3, 2)], "relu1")
    x = graph.add("MaxPool", [x], "pool1", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    channels = 64
    for number, (squeeze, expand, pooled) in enumerate(FIRES, 2):
        fire = f"fire{number}"
        x = graph.add("Relu", [graph.convolution(x, channels, squeeze, f"{fire}.squeeze")], f"{fire}.relu")
        one = graph.add("Relu", [graph.convolution(x, squeeze, expand, f"{fire}.one")], f"{fire}.relu1")
        three = graph.convolution(x, squeeze, expand, f"{fire}.three", 3, 1, 1)
        three = graph.add("Relu", [three], f"{fire}.relu3")
        x = graph.add("Concat", [one, three], fire, axis=1)
        channels = 2 * expand
        if pooled:
            x = graph.add("MaxPool", [x], f"{fire}.pool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    x = graph.convolution(x, channels, 1000, "classes")
    x = graph.add("GlobalAveragePool", [x], "mean")
    graph.add("Flatten", [x], "logits", axis=1)
    return fitted(graph, [3, 224, 224], 1000, "fire9", "classes", inputs, labels)
