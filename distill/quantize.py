"""Quantises a version's network to int8 (QDQ, static) with ONNX Runtime's own tool chain.

    pip install -r distill/requirements.txt
    python3 distill/quantize.py models/fashion/s1/model.onnx train-images.gz s1-int8.onnx --mean 0.286 --std 0.353 \\
        --validation t10k-images.gz --teacher models/fashion/teacher-1/model.onnx

With --validation the outputs of the int8 network and of the teacher are written beside it as .npy files, for
`stillhouse import --reference ... --reference-teacher ...`.
"""

import argparse
import gzip
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


def read(path, mean, std):
    """The pictures of an idx file, [pictures, 1, rows, columns], as the network reads them."""
    raw = pathlib.Path(path).read_bytes()
    raw = gzip.decompress(raw) if str(path).endswith(".gz") else raw
    rows, columns = (int.from_bytes(raw[i : i + 4], "big") for i in (8, 12))
    pixels = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, rows, columns)
    return ((pixels / np.float32(255) - np.float32(mean)) / np.float32(std)).astype(np.float32)


def outputs(model, images):
    session = onnxruntime.InferenceSession(model)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch})[0] for batch in np.array_split(images, len(images) // 100)])


class Pictures(CalibrationDataReader):
    """Pictures in ten batches."""

    def __init__(self, images, name):
        self.batches = iter([{name: batch} for batch in np.array_split(images, 10)])

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
    parser.add_argument("--validation", type=pathlib.Path, help="idx file")
    parser.add_argument("--teacher", type=pathlib.Path, help="ONNX file; reads the same tensors")
    arguments = parser.parse_args()
    name = onnx.load(arguments.model).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared.onnx"
        quant_pre_process(arguments.model, prepared)
        quantize_static(
            prepared,
            arguments.output,
            Pictures(read(arguments.images, arguments.mean, arguments.std)[: arguments.count], name),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            calibrate_method=CalibrationMethod.Entropy,
        )
    onnx.checker.check_model(onnx.load(arguments.output), full_check=True)
    if arguments.validation:
        images = read(arguments.validation, arguments.mean, arguments.std)
        np.save(arguments.output.with_suffix(".npy"), outputs(arguments.output, images))
        if arguments.teacher:
            np.save(arguments.output.with_suffix(".teacher.npy"), outputs(arguments.teacher, images))
    print(f"{arguments.output}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
