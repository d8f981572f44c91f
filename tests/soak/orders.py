"""The admin requests of a round: a new version is uploaded, tested as a canary, promoted, rolled back and deleted; others are
loaded and unloaded.

Each order is for the generation that is there (If-Match), and must make the next one. A round leaves the model as it found it.
"""

import io
import json
import tarfile
import time

from borrowed import ROOT, machines

# Pause between two requests, so that every generation gets answers.
PACE_SECONDS = 0.02

STABLE, OTHER, SMALL, TEACHER = "s1", "s2", "s1-int8", "teacher-1"


def archive(version):
    """A shipped version as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(ROOT / "models/fashion" / version, arcname=".")
    return packed.getvalue()


class Operators:
    """A client of the admin API that keeps track of the generation."""

    def __init__(self, server):
        self.server = server
        self.generation = server.deployment()["generation"]
        self.archive = archive(OTHER)
        self.orders = 0

    def ask(self, method, path, body=b"", right=200, **headers):
        url = f"http://127.0.0.1:{self.server.admin_port}/admin/models/fashion{path}"
        status, text = machines.ask(method, url, body, headers, seconds=300)
        if status != right:
            raise machines.Missed(f"{method} {path} was answered with {status} instead of {right}: {text[:1000]}")
        return text

    def order(self, method, path, **body):
        text = self.ask(method, path, json.dumps(body).encode(), **{"if-match": f'"{self.generation}"'})
        after = json.loads(text)["after"]["generation"]
        if after != self.generation + 1:
            raise machines.Missed(f"{method} {path} on generation {self.generation} made {after}: {text[:1000]}")
        self.generation, self.orders = after, self.orders + 1
        time.sleep(PACE_SECONDS)

    def round(self, number, going_on):
        """One round of admin requests; swaps continue while `going_on()`, that is while the load runs."""
        # A new name each round, to find state that is kept per version name.
        new = f"soak-{number}"
        self.ask("PUT", f"/versions/{new}", self.archive, 201)
        self.ask("POST", f"/versions/{new}/load")
        self.order("POST", "/canary", version=new, share="10%")
        self.order("PUT", "/split", canary="50%")
        self.order("POST", "/promote")
        self.order("POST", "/rollback")
        while True:
            self.order("POST", "/rollback", to=new)
            self.order("POST", "/canary", version=SMALL, share=0)
            self.order("PUT", "/split", canary="20%", teacher="10%")
            self.order("POST", "/abort")
            self.order("PUT", "/split", teacher=0)
            self.order("POST", "/rollback", to=STABLE)
            if not going_on():
                break
        # It must stop being the previous version before it can be deleted.
        self.order("POST", "/canary", version=OTHER, share="1%")
        self.order("POST", "/promote")
        self.order("POST", "/rollback")
        self.ask("DELETE", f"/versions/{new}", b"{}", 204)
