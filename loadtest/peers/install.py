"""Virtual environments of the peers: made once for each list of requirements, and how large they are."""

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys

from running import Failed
from servers.peer import APPS, TARGET

WORKS_VENV = TARGET / "peers" / "venv" / "works"
WORKS = TARGET / "peers" / "works"
# The files that make the workloads: the workloads are made again when one of these changes.
MAKERS = ("make_works.py", "networks.py", "pictures.py", "classifier.py")


def digest(*paths):
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def is_ready(folder, sum_):
    mark = folder / ".ready"
    return mark.exists() and mark.read_text() == sum_


def venv(folder, requirements):
    """Installs complete lists of pinned versions without resolving dependencies, so that later runs measure the same versions."""
    sum_ = digest(requirements)
    if is_ready(folder, sum_):
        return
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "venv", folder)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--requirement", requirements)
    # pip isn't needed to serve and would count as installed.
    run(*pip, "uninstall", "--quiet", "--yes", "pip", "setuptools")
    (folder / ".ready").write_text(sum_)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
        raise Failed(f"`{' '.join(map(str, command))}`: " + "\n".join(output))


def works():
    """Creates both workloads unless they are up to date."""
    requirements = APPS.parent / "requirements" / "works.txt"
    venv(WORKS_VENV, requirements)
    sum_ = digest(requirements, *(APPS / name for name in MAKERS))
    if not is_ready(WORKS, sum_):
        shutil.rmtree(WORKS, ignore_errors=True)
        run(WORKS_VENV / "bin" / "python", "-B", APPS / "make_works.py", WORKS)
        (WORKS / ".ready").write_text(sum_)


def size_bytes(*roots):
    """Size of all files in bytes; links are not followed, since a virtual environment's Python is the machine's."""
    total = 0
    for root in roots:
        paths = root.rglob("*") if root.is_dir() else [root]
        total += sum(path.lstat().st_size for path in paths if path.is_file() and not path.is_symlink())
    return total


def version(folder, package):
    """Version of a distribution in a virtual environment."""
    packages = [str(path) for path in folder.glob("lib/python3*/site-packages")]
    found = importlib.metadata.distributions(name=package, path=packages)
    return next(iter(found)).version
