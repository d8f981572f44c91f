#!/bin/sh
# Writes models/fashion/s1-int8 from models/fashion/s1, the last step of distill/ship-fashion.sh:  distill/ship-int8.sh RUNS
# The version is completed in RUNS/int8 before it replaces the existing one.
set -eu
runs=${1:?usage: distill/ship-int8.sh RUNS}
distill=${DISTILL:-target/release/stillhouse-distill}
stillhouse=${STILLHOUSE:-target/release/stillhouse}
python=${PYTHON:-python3}
data=/usr/share/datasets/fashion-mnist
models=models/fashion
made=$runs/int8

rm -rf "$made"
mkdir -p "$made"
"$python" distill/quantize.py $models/s1/model.onnx $data/train-images-idx3-ubyte.gz "$made/s1-int8.onnx" --mean 0.286 --std 0.353
set --
for picture in "$models"/s1/golden/*.png; do
    set -- "$@" --golden "$picture"
done
"$stillhouse" import "$made/s1-int8.onnx" --model fashion --version s1-int8 --models "$made/models" \
    --labels $models/labels.txt --mean 0.286 --std 0.353 --description "Fashion-MNIST, s1 in int8 (QDQ)" "$@"
"$distill" reference "$made/models/fashion/s1-int8" --config distill/configs/fashion-student.toml --teacher $models/teacher-1
rm -rf $models/s1-int8
mv "$made/models/fashion/s1-int8" $models/s1-int8
