"""Ray Serve: a deployment with batches by @serve.batch; its model is part of its configuration."""

import os
import signal
import sys

import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

import classifier

REPLICAS = int(os.environ["PEERS_WORKERS"])


@serve.deployment(
    num_replicas=REPLICAS,
    max_ongoing_requests=2 * classifier.MAX_BATCH,
    ray_actor_options={"num_cpus": 1},
)
class Pictures:
    # Called before the first request and whenever the configuration changes.
    def reconfigure(self, config):
        self.classifier = classifier.Classifier(config["model"])

    @serve.batch(max_batch_size=classifier.MAX_BATCH, batch_wait_timeout_s=float(os.environ["PEERS_WAIT"]))
    async def classify(self, encoded):
        return self.classifier.classify([classifier.decode(each) for each in encoded])

    async def __call__(self, request):
        return await self.classify(await request.body())


app = Pictures.bind()


def deploy():
    """Does the same as `serve run CONFIG`, and as `serve deploy CONFIG` through the dashboard. After `serve.run` everything would
    count as changed, and every replica would be replaced."""
    # The resolved file, not the link: an update must differ from the current configuration.
    config = {"model": os.path.realpath(classifier.MODEL)}
    application = {
        "name": "pictures",
        "route_prefix": "/predict",
        "import_path": "ray_app:app",
        "deployments": [{"name": "Pictures", "user_config": config}],
    }
    _get_global_client().deploy_apps(ServeDeploySchema(applications=[application]), _blocking=True)


def main():
    ray.init(num_cpus=REPLICAS, include_dashboard=False, log_to_driver=False, _temp_dir=os.environ["PEERS_TEMP"])
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PEERS_PORT"])})
    deploy()
    # Ray has installed its own signal handlers by now.
    signal.signal(signal.SIGHUP, lambda *_: deploy())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
