#!/usr/bin/env python3
"""Does Stillhouse give the same answers on a GPU as on the processor, and is it as fast as onnxruntime in Python?

Installs ONNX Runtime for the device, pinned, into target/gpu; builds; runs the engine's tests and every golden sample on the
device; serves and asks about one picture; measures images a second by batch size, ours beside Python's on the same device.
Where there is no GPU it says so in one line and ends with 0. `--device cpu` goes the same way on the processor: a dry run.

usage: tests/gpu/check.py [--device cuda:0] [--features turbojpeg] [--sizes 1,8,64] [--seconds 1] [--rounds 3]
       [--model NETWORK.onnx] [--json]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

import compare
import here
import steps
from packages import ROOT, Packages

SHIPPED = ("s1", "s2", "teacher-1")
REPORT = ROOT / "target/gpu/report.json"


def arguments():
    parser = argparse.ArgumentParser(description="Stillhouse on a GPU: answers and throughput")
    parser.add_argument("--device", default="cuda:0", help="cuda:0, tensorrt:0, or cpu for a dry run")
    parser.add_argument("--features", help="cargo's, such as turbojpeg")
    parser.add_argument("--sizes", default="1,2,4,8,16,32,64,128,256", help="batch sizes")
    parser.add_argument("--seconds", type=float, default=1, help="for each size, method and round")
    parser.add_argument("--rounds", type=int, default=3, help="alternating ours and theirs; medians are used")
    parser.add_argument("--model", type=pathlib.Path, action="append", help="another network, in addition to the shipped ones")
    parser.add_argument("--json", action="store_true", help="print the report instead of the table")
    return parser.parse_args()


def throughput(asked, packages):
    networks = {name: ROOT / "models/fashion" / name / "model.onnx" for name in SHIPPED}
    networks |= {path.stem: path.resolve() for path in asked.model or []}
    compared, version = [], None
    for name, path in networks.items():
        rounds = []
        for _ in range(asked.rounds):
            ours = steps.ours(path, asked.device, asked.sizes, asked.seconds)
            theirs = steps.theirs(packages.python, path, asked.device, asked.sizes, asked.seconds)
            rounds.append(compare.rows(name, ours, theirs))
            version = theirs["onnxruntime"]
        compared += compare.medians(rounds)
    return compared, version


def main():
    asked = arguments()
    why = here.missing(asked.device)
    if why:
        print(f"skipped: {why}")
        return
    cargo, features = os.environ.get("CARGO", "cargo"), ["--features", asked.features] if asked.features else []
    packages = Packages(asked.device)
    packages.install()
    os.environ.update(packages.environment())
    program = ROOT / "target/release/stillhouse"
    steps.build(cargo, features)
    steps.engines_agree(cargo, features, asked.device)
    versions = steps.golden_samples(program, asked.device)
    engine = steps.one_picture(program, asked.device)
    compared, version = throughput(asked, packages)
    report = {
        "device": asked.device,
        "gpu": steps.gpu() if asked.device != "cpu" else None,
        "onnxruntime": version,
        "engine": engine,
        "versions_good": versions,
        "throughput": compared,
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    if asked.json:
        print(json.dumps(report, indent=1))
        return
    print(f"\n{versions} versions reproduce their golden samples on {asked.device}; served by {engine}\n\n{compare.table(compared)}")
    print("\nimages per second, medians. run: input and output in host memory, as ours; bound: input and output stay on the device")
    print(f"written to {REPORT.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except (steps.Wrong, subprocess.CalledProcessError) as wrong:
        sys.exit(f"gpu-check: {wrong}")
