"""Images per second of onnxruntime in Python, by batch size; run by the Python of its environment. Prints JSON.

Two ways, both with our session options: `run` takes an array from this machine's memory and gives one back, as our engine
does; `bound` finds its input on the device already and leaves its output there: what copying costs is missing.

usage: theirs.py MODEL DEVICE SIZES SECONDS
"""

import json
import sys
import time

import numpy
import onnxruntime

KINDS = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}


def providers(device):
    kind, _, number = device.partition(":")
    cuda = ("CUDAExecutionProvider", {
        "device_id": number or "0",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
    })
    return {
        "cpu": ["CPUExecutionProvider"],
        "cuda": [cuda],
        "tensorrt": [("TensorrtExecutionProvider", {"device_id": number or "0"}), cuda],
    }[kind]


def session(model, device):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    made = onnxruntime.InferenceSession(model, options, providers=providers(device))
    first = providers(device)[0]
    wanted = first if isinstance(first, str) else first[0]
    # onnxruntime would only warn and continue on the processor.
    if made.get_providers()[0] != wanted:
        raise SystemExit(f"{wanted} isn't available: {made.get_providers()}")
    return made


def per_second(run, size, seconds):
    for _ in range(3):
        run()
    runs, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        run()
        runs += 1
    return runs * size / spent


def bound(of, feed, device):
    """A run whose input is on the device already, and whose output stays there."""
    kind, _, number = device.partition(":")
    place, number = ("cpu", 0) if kind == "cpu" else ("cuda", int(number or 0))
    binding = of.io_binding()
    for name, array in feed.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array, place, number))
    binding.bind_output(of.get_outputs()[0].name, place, number)

    def run():
        of.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return run


def main():
    model, device, sizes, seconds = sys.argv[1], sys.argv[2], sys.argv[3].split(","), float(sys.argv[4])
    of = session(model, device)
    entry, output = of.get_inputs()[0], of.get_outputs()[0].name
    dice = numpy.random.default_rng(7)
    rows = []
    for size in map(int, sizes):
        shape = [size, *entry.shape[1:]]
        feed = {entry.name: dice.random(shape, dtype=numpy.float32).astype(KINDS[entry.type])}
        rows.append({
            "batch": size,
            "run": per_second(lambda feed=feed: of.run([output], feed), size, seconds),
            "bound": per_second(bound(of, feed, device), size, seconds),
        })
    print(json.dumps({"onnxruntime": onnxruntime.__version__, "sizes": rows}))


if __name__ == "__main__":
    main()
