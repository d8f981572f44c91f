"""Imports from tests/watch: the server under test, pictures, paths."""

import importlib
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "watch"))

machines = importlib.import_module("machines")
ROOT = importlib.import_module("places").ROOT
