#!/usr/bin/env python3
"""Writes the dashboards: one JSON file for each module here that has a DASHBOARD.

usage: config/grafana/source/generate.py [FOLDER]     (config/grafana/dashboards unless given)
"""

import json
import pathlib
import sys

import drift
import overview
import rollout
import saturation

MADE = pathlib.Path(__file__).parent.parent / "dashboards"


def texts():
    """File name → its text."""
    modules = (overview, rollout, drift, saturation)
    names = {module.__name__: module.DASHBOARD for module in modules}
    return {f"{name}.json": json.dumps(made, indent=2, ensure_ascii=False) + "\n" for name, made in names.items()}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else MADE
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
