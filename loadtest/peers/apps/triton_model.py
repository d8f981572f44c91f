"""Triton's Python backend: gets the requests that its dynamic batcher put together."""

import numpy as np
import triton_python_backend_utils as triton

import classifier


class TritonPythonModel:
    def initialize(self, args):
        self.classifier = classifier.Classifier()

    def execute(self, requests):
        pictures = [triton.get_input_tensor_by_name(request, "picture").as_numpy()[0, 0] for request in requests]
        answers = self.classifier.classify([classifier.decode(each) for each in pictures])
        return [triton.InferenceResponse(tensors(answer)) for answer in answers]


def tensors(answer):
    label = np.array([[answer["label"]]], dtype=object)
    probability = np.array([[answer["probability"]]], dtype=np.float32)
    return [triton.Tensor("label", label), triton.Tensor("probability", probability)]
