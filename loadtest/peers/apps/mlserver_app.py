"""MLServer: a runtime of our own, which gets the batches that its adaptive batching makes."""

from mlserver import MLModel
from mlserver.codecs import Base64Codec
from mlserver.types import InferenceResponse, ResponseOutput

import classifier


class Pictures(MLModel):
    async def load(self):
        self.classifier = classifier.Classifier()
        return True

    async def predict(self, payload):
        pictures = Base64Codec.decode_input(payload.inputs[0])
        answers = self.classifier.classify([classifier.decode(each) for each in pictures])
        shape = [len(answers), 1]
        labels = [each["label"] for each in answers]
        odds = [each["probability"] for each in answers]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                ResponseOutput(name="label", shape=shape, datatype="BYTES", data=labels),
                ResponseOutput(name="probability", shape=shape, datatype="FP64", data=odds),
            ],
        )
