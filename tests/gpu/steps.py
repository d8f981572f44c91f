"""The steps of the check; each raises if something is wrong."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from packages import ROOT

sys.path.append(str(ROOT / "tests/watch"))

PICTURE = ROOT / "samples/fashion/ankle-boot-1.png"
LABEL = "Ankle boot"

SETTINGS = """
[engine]
backend = "onnxruntime"
device = "{device}"
fallback = false
"""


class Wrong(AssertionError):
    """A step failed."""


def run(command, more=None):
    """Runs a command that must succeed; returns its output unless it is shown."""
    print("+ " + " ".join(str(word) for word in command), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | (more or {}), stdout=sys.stderr)


def output_of(command):
    print("+ " + " ".join(str(word) for word in command), file=sys.stderr, flush=True)
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise Wrong(f"exit code {done.returncode}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def build(cargo, features):
    run([cargo, "build", "--release", "--locked", "--bin", "stillhouse", *features])
    # Without tract, which would be built again for this choice of packages and takes minutes.
    example = ["-p", "stillhouse-engine", "--example", "batch_sizes", "--no-default-features", "--features", "ort"]
    run([cargo, "build", "--release", "--locked", *example])


def engines_agree(cargo, features, device):
    """The engine's tests: graphs of every kind, in all batch sizes, on the device and on tract."""
    command = [cargo, "test", "--workspace", "--locked", *features, "--test", "engines"]
    run(command, {"STILLHOUSE_TEST_DEVICE": device})


def golden_samples(program, device):
    """Every golden sample of every shipped version on the device, within the tolerance of the processor's recorded outputs."""
    command = [program, "models", "check", "--models", "models", "--engine", "onnxruntime", "--json"]
    versions = json.loads(output_of([*command, "--set", f"engine.device={device}"]))
    bad = [one for one in versions if not one["good"]]
    if bad or not versions:
        raise Wrong(f"golden samples: {json.dumps(bad)[:2000]}")
    return len(versions)


def one_picture(program, device):
    """Sends one picture to a server on the device; returns who answered, and on which engine."""
    import machines

    with tempfile.TemporaryDirectory(prefix="stillhouse-gpu-") as folder:
        server = machines.Server(program, pathlib.Path(folder), SETTINGS.format(device=device))
        with machines.stopped_at_the_end(server):
            server.start()
            ((status, answer),) = server.send([PICTURE.read_bytes()])
            engine = server.deployment()["seats"][0]["engine"]
    label = answer.get("predictions", [{}])[0].get("label")
    if (status, label) != (200, LABEL):
        raise Wrong(f"the picture was answered with {status} and {label} instead of {LABEL}")
    if f" on {device}" not in engine or "because" in engine:
        raise Wrong(f"the engine isn't on {device}: {engine}")
    return engine


def ours(model, device, sizes, seconds):
    example = ROOT / "target/release/examples/batch_sizes"
    command = [example, model, "--backend", "onnxruntime", "--device", device, "--json"]
    return json.loads(output_of([*command, "--sizes", sizes, "--seconds", str(seconds)]))


def theirs(python, model, device, sizes, seconds):
    command = [python, ROOT / "tests/gpu/theirs.py", model, device, sizes, str(seconds)]
    return json.loads(output_of(command))


def gpu():
    """Name, driver and memory, from nvidia-smi."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return output_of(query).strip().splitlines()
