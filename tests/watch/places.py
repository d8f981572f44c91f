"""Paths in the repository."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROMETHEUS = ROOT / "config/prometheus"
DASHBOARDS = ROOT / "config/grafana/dashboards"
