"""BentoML: one service, batches by its adaptive batching."""

import base64
import os

import bentoml

import classifier


@bentoml.service(workers=int(os.environ["PEERS_WORKERS"]), logging={"access": {"enabled": False}})
class Pictures:
    def __init__(self):
        self.classifier = classifier.Classifier()

    @bentoml.api(
        batchable=True, max_batch_size=classifier.MAX_BATCH, max_latency_ms=int(os.environ["PEERS_LATENCY_MS"])
    )
    def predict(self, pictures: list[str]) -> list[dict]:
        return self.classifier.classify([classifier.decode(base64.b64decode(each)) for each in pictures])
