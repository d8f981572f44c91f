"""ONNX Runtime from PyPI in its own virtual environment: the Python package for the comparison, which contains our library."""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Packages:
    """Creates the environment for one kind of device unless it exists with the pinned versions."""

    def __init__(self, device):
        kind = "cpu" if device == "cpu" else "cuda"
        self.requirements = HERE / f"requirements-{kind}.txt"
        self.folder = ROOT / "target/gpu" / f"venv-{kind}"
        self.python = self.folder / "bin/python"
        self.installed = self.folder / "installed.txt"

    def install(self):
        wanted = self.requirements.read_text()
        if self.installed.is_file() and self.installed.read_text() == wanted:
            return
        subprocess.run([sys.executable, "-m", "venv", "--clear", self.folder], check=True)
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([self.python, "-m", "pip", "install", *quiet, "--requirement", self.requirements], check=True)
        shutil.copyfile(self.requirements, self.installed)

    def site(self):
        (site,) = self.folder.glob("lib/python3*/site-packages")
        return site

    def environment(self):
        """Environment variables for programs that use this library and the CUDA libraries with it."""
        library = self.site() / "onnxruntime/capi"
        cuda = sorted(self.site().glob("nvidia/*/lib"))
        before = os.environ.get("LD_LIBRARY_PATH")
        paths = [str(path) for path in (library, *cuda)] + ([before] if before else [])
        return {
            "ORT_DYLIB_PATH": str(library),
            "LD_LIBRARY_PATH": ":".join(paths),
            "ORT_DISABLE_TELEMETRY": "1",
        }
