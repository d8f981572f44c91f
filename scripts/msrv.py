#!/usr/bin/env python3
"""Checks that no dependency asks for a newer Rust than the workspace package that needs it claims (`rust-version`).

usage: scripts/msrv.py

Normal and build dependencies count, on this machine's platform and with every feature of the workspace's packages; what only
tests need doesn't. It reads declarations and compiles nothing: that our own code keeps to the standard library of the claimed
release is for clippy's `incompatible_msrv` to check.
"""

import json
import os
import subprocess
import sys


def version(text: str) -> tuple[int, ...]:
    """`1.92` and `1.92.0` as the same comparable value."""
    numbers = tuple(int(part) for part in text.split("."))
    return numbers + (0,) * (3 - len(numbers))


def needed_by(root: str, nodes: dict) -> set[str]:
    """The identifiers of everything that building `root` takes, itself excluded."""
    found, waiting = set(), [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            kinds = {kind["kind"] for kind in dependency["dep_kinds"]}
            if kinds == {"dev"} or dependency["pkg"] in found:
                continue
            found.add(dependency["pkg"])
            waiting.append(dependency["pkg"])
    return found


def problems(metadata: dict) -> list[str]:
    """One line for every dependency that asks for more than a workspace package claims; an absent claim is a problem."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    lines = []
    for member in metadata["workspace_members"]:
        name, claim = packages[member]["name"], packages[member]["rust_version"]
        if claim is None:
            lines.append(f"{name} states no rust-version")
            continue
        for dependency in needed_by(member, nodes):
            package = packages[dependency]
            needs = package["rust_version"]
            if needs is not None and version(needs) > version(claim):
                lines.append(f"{name} claims Rust {claim}, but {package['name']} {package['version']} needs {needs}")
    return sorted(lines)


def main() -> int:
    cargo = os.environ.get("CARGO", "cargo")
    host = next(
        line.removeprefix("host: ")
        for line in subprocess.check_output(["rustc", "-vV"], text=True).splitlines()
        if line.startswith("host: ")
    )
    command = [cargo, "metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", host]
    metadata = json.loads(subprocess.check_output(command))
    lines = problems(metadata)
    for line in lines:
        print(line, file=sys.stderr)
    if not lines:
        print(f"{len(metadata['workspace_members'])} packages: no dependency needs a newer Rust than is claimed")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
