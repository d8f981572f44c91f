"""Quantises a version's network to int8 (QDQ, static) with ONNX Runtime's own tool chain.

    pip install onnx==1.23.2 onnxruntime==1.31.1 numpy
    python3 distill/quantize.py models/fashion/s1/model.onnx calibration-images.gz s1-int8.onnx --mean 0.286 --std 0.353
"""

import argparse
import gzip
import pathlib
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


class Pictures(CalibrationDataReader):
    """The first pictures of an idx file, in batches, as the network reads them."""

    def __init__(self, path, name, count, mean, std):
        raw = gzip.open(path, "rb").read() if str(path).endswith(".gz") else pathlib.Path(path).read_bytes()
        rows, columns = (int.from_bytes(raw[i : i + 4], "big") for i in (8, 12))
        pixels = np.frombuffer(raw, np.uint8, offset=16)[: count * rows * columns]
        images = (pixels.reshape(-1, 1, rows, columns) / np.float32(255) - mean) / std
        self.batches = iter([{name: batch.astype(np.float32)} for batch in np.split(images, 10)])

    def get_next(self):
        return next(self.batches, None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("images", type=pathlib.Path, help="idx file, plain or gzipped; none of the test pictures")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--mean", type=float, default=0.0)
    parser.add_argument("--std", type=float, default=1.0)
    arguments = parser.parse_args()
    name = onnx.load(arguments.model).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared.onnx"
        quant_pre_process(arguments.model, prepared)
        quantize_static(
            prepared,
            arguments.output,
            Pictures(arguments.images, name, arguments.count, arguments.mean, arguments.std),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.Entropy,
        )
    onnx.checker.check_model(onnx.load(arguments.output), full_check=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
