#!/usr/bin/env python3
"""Writes one file with the licence texts of every crate that is linked into the server.

usage: scripts/third_party_licences.py OUTPUT [CARGO-METADATA-ARGUMENT...]     e.g. target/licences.txt --features turbojpeg

The texts come from the crates' own sources in Cargo's registry folder, nested ones included: that is where the licence of C
code that a crate brings stands. Zip archives among the sources are looked into as well. Equal texts are written once. A crate without any text gets those of another crate of the same
source repository; where there is none either, nothing is written and the exit code is 1.
"""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePath

LICENCE_FILE = re.compile(r"(licen[sc]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# Needed by build scripts alone, but their files end in the binary: the API documentation's pages.
EMBEDDED = {"utoipa-swagger-ui-vendored"}
RULE = "=" * 100


def linked(metadata: dict) -> list[dict]:
    """The packages of registries that the root package links, in order of their names. What only build scripts or tests need isn't linked,
    but for EMBEDDED packages.
    """
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, waiting = {root}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            embedded = packages[dependency["pkg"]]["name"] in EMBEDDED
            normal = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if (normal or embedded) and dependency["pkg"] not in found:
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    chosen = [packages[identifier] for identifier in found if packages[identifier]["source"] is not None]
    return sorted(chosen, key=lambda package: (package["name"], package["version"]))


def is_licence(path: PurePath) -> bool:
    # `LICENSE.MIT` and `LICENSE-2.0` are texts, `license.rs` and `license.jsx` are code.
    text = path.suffix in ("", ".txt", ".md") or not path.suffix[1:].islower()
    return LICENCE_FILE.match(path.name) is not None and text


def texts(folder: Path) -> list[str]:
    """Every licence text below a package's folder, those nearest to its root first, then those in its zip archives."""
    paths = [path for path in folder.rglob("*") if is_licence(path) and path.is_file()]
    paths.sort(key=lambda path: (len(path.parts), path))
    contents = [path.read_bytes() for path in paths]
    for archive in sorted(folder.rglob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            contents += [opened.read(name) for name in sorted(opened.namelist()) if is_licence(PurePath(name))]
    return [content.decode("utf-8", errors="replace").strip() for content in contents]


def collect(packages: list[dict]) -> tuple[dict[str, list[dict]], list[dict]]:
    """Texts with the packages that they cover, and the packages for which no text was found."""
    own = {package["id"]: texts(Path(package["manifest_path"]).parent) for package in packages}
    siblings: dict[str, list[str]] = {}
    for package in packages:
        if package["repository"] and own[package["id"]]:
            siblings.setdefault(package["repository"].removesuffix(".git"), own[package["id"]])
    covered: dict[str, list[dict]] = {}
    missing = []
    for package in packages:
        repository = (package["repository"] or "").removesuffix(".git")
        found = own[package["id"]] or siblings.get(repository, [])
        if not found:
            missing.append(package)
        for text in dict.fromkeys(found):
            covered.setdefault(text, []).append(package)
    return covered, missing


def render(covered: dict[str, list[dict]]) -> str:
    """The file: which package has which licence, then every text with its packages."""
    packages = {package["id"]: package for group in covered.values() for package in group}
    names = sorted(f"{package['name']} {package['version']}: {package['license']}" for package in packages.values())
    parts = ["Third-party software in Stillhouse", "", *names, ""]
    for text, group in covered.items():
        crates = ", ".join(f"{package['name']} {package['version']}" for package in group)
        parts += [RULE, crates, RULE, "", text, ""]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    version = subprocess.check_output(["rustc", "-vV"], text=True)
    host = re.search(r"^host: (.*)$", version, re.MULTILINE).group(1)
    command = [os.environ.get("CARGO", "cargo"), "metadata", "--format-version=1", "--locked", "--filter-platform", host]
    packages = linked(json.loads(subprocess.check_output(command + arguments[1:])))
    covered, missing = collect(packages)
    for package in missing:
        print(f"no licence text for {package['name']} {package['version']} ({package['license']})", file=sys.stderr)
    if missing:
        return 1
    Path(arguments[0]).write_text(render(covered), encoding="utf-8")
    print(f"{len(packages)} crates, {len(covered)} different texts: {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
