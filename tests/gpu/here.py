"""Is there a usable GPU, and if not, why?"""

import ctypes
import pathlib
import shutil

DRIVER = "libcuda.so.1"
TENSORRT = "libnvinfer.so.10"


def can_be_loaded(library):
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(device, which=shutil.which, exists=pathlib.Path.exists, loads=can_be_loaded):
    """Why `device` isn't available on this machine; None if it can be tried."""
    if device == "cpu":
        return None
    if not which("nvidia-smi") and not exists(pathlib.Path("/dev/nvidia0")):
        return "no GPU here (neither nvidia-smi nor /dev/nvidia0)"
    if not loads(DRIVER):
        return f"there is a GPU, but its driver's library {DRIVER} can't be loaded"
    if device.startswith("tensorrt") and not loads(TENSORRT):
        return f"there is a GPU, but TensorRT's library {TENSORRT} can't be loaded"
    return None
