"""Where things are."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROMETHEUS = ROOT / "config/prometheus"
DASHBOARDS = ROOT / "config/grafana/dashboards"
