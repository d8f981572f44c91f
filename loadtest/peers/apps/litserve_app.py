"""LitServe: decoding, batching and inference in its inference workers."""

import os
from typing import Annotated

import litserve
from fastapi import Body

import classifier


class Pictures(litserve.LitAPI):
    def setup(self, device):
        self.classifier = classifier.Classifier()

    # The body itself: without the annotation it would have to be JSON, and the picture base64.
    def decode_request(self, request: Annotated[bytes, Body()]):
        return classifier.decode(request)

    def batch(self, inputs):
        return inputs

    def predict(self, inputs):
        return self.classifier.classify(inputs)

    def unbatch(self, output):
        return output


if __name__ == "__main__":
    api = Pictures(max_batch_size=classifier.MAX_BATCH, batch_timeout=float(os.environ["PEERS_WAIT"]))
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["PEERS_WORKERS"]), fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PEERS_PORT"]),
        num_api_servers=int(os.environ["PEERS_FRONTS"]),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
