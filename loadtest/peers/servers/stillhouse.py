"""Ours: default configuration, a repository with both versions, canary and promotion by the admin API."""

import json
import os
import shutil
import subprocess

from running import Failed
from servers.peer import TARGET, Peer


class Stillhouse(Peer):
    key = "stillhouse"
    title = "Stillhouse"
    how = (
        "default configuration: one process; number of workers and largest batch as measured when a version "
        "is loaded; answers have the best class only (`?top_k=1`), as the peers' do"
    )
    replacing = "admin API: `canary start v2 --share 10%`, which loads and checks it, then `promote`"
    path = "/predict?top_k=1"
    requirements = None

    def __init__(self, program):
        self.binary = program.resolve()
        libraries = sorted((TARGET / "onnxruntime").glob("libonnxruntime.so*"))
        given = os.environ.get("ORT_DYLIB_PATH")
        self.library = given or (str(libraries[0].resolve()) if libraries else None)

    def say(self, *arguments, **options):
        done = subprocess.run([self.binary, *arguments], capture_output=True, text=True, check=False, **options)
        if done.returncode != 0:
            raise Failed(f"`stillhouse {' '.join(map(str, arguments))}`: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def prepare(self, seat):
        transform = seat.work.transform
        models = seat.folder / "models"
        if not models.exists():
            models.mkdir()
            for version in ("v1", "v2"):
                arguments = ["--model", "pictures", "--version", version, "--labels", seat.work.folder / "labels.txt"]
                arguments += ["--color", transform["color"], "--resize", "stretch", "--filter", "bilinear"]
                arguments += ["--mean", ",".join(map(str, transform["mean"]))]
                arguments += ["--std", ",".join(map(str, transform["std"]))]
                if transform["flat"]:
                    arguments += ["--size", f"{transform['width']}x{transform['height']}"]
                arguments += ["--models", models, seat.work.network(version)]
                self.say("import", *arguments, env=self.environment(seat), cwd=seat.folder)
        shutil.rmtree(seat.folder / "state", ignore_errors=True)
        (seat.folder / "stillhouse.toml").write_text(
            f'[server]\nlisten = "127.0.0.1:{seat.port}"\nadmin_listen = "127.0.0.1:{seat.ports[1]}"\n'
            f'[repository]\npath = "{models}"\n[models.work]\nstable = "v1"\n'
            f'[control]\nstate_path = "{seat.folder}/state"\n'
        )

    def command(self, seat):
        return [self.binary, "serve", "--config", seat.folder / "stillhouse.toml"]

    def environment(self, seat):
        return {"ORT_DYLIB_PATH": self.library} if self.library else {}

    def label(self, answer):
        return json.loads(answer)["predictions"][0]["label"]

    def replace(self, seat, server):
        admin = ["--admin", f"127.0.0.1:{seat.ports[1]}", "--yes", "--reason", "comparison"]
        self.say("canary", "start", "v2", "--share", "10%", *admin, cwd=seat.folder)
        self.say("promote", *admin, cwd=seat.folder)
