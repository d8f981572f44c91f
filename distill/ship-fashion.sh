#!/bin/sh
# Trains and writes every version of models/fashion:  distill/ship-fashion.sh RUNS [--device cuda:0]
# Runs that exist already are not trained again. Needs Debian's dataset-fashion-mnist; for the int8 student also Python
# with onnx==1.23.2 and onnxruntime==1.31.1.
set -eu
runs=${1:?usage: distill/ship-fashion.sh RUNS [--device cuda:0]}
shift
distill=${DISTILL:-target/release/stillhouse-distill}
stillhouse=${STILLHOUSE:-target/release/stillhouse}
data=/usr/share/datasets/fashion-mnist
models=models/fashion

[ -e "$runs/teacher/checkpoint" ] || "$distill" train-teacher distill/configs/fashion-teacher.toml --run "$runs/teacher" "$@"
[ -e "$runs/blind/checkpoint" ] || "$distill" train-teacher distill/configs/fashion-blind.toml --run "$runs/blind" "$@"
for student in s1:student canary:canary; do
    name=${student%:*}
    [ -e "$runs/$name/checkpoint" ] || "$distill" train-student "distill/configs/fashion-${student#*:}.toml" \
        --run "$runs/$name" --set "distill.teacher=$runs/teacher" "$@"
done

write() {
    "$distill" export --force "$@"
}
write "$runs/teacher" $models/teacher-1
write "$runs/s1" $models/s1 --teacher $models/teacher-1 --teacher-name fashion/teacher-1
write "$runs/canary" $models/s2 --teacher $models/teacher-1 --teacher-name fashion/teacher-1
write "$runs/blind" $models/bad-blind --teacher $models/teacher-1
write "$runs/s1" $models/bad-overconfident --teacher $models/teacher-1 --teacher-name fashion/teacher-1 \
    --spoil overconfident=4 --description "Fashion-MNIST, a bad canary: the labels of s1, all logits times 4"
write "$runs/s1" $models/bad-nan --teacher $models/teacher-1 --teacher-name fashion/teacher-1 \
    --spoil nan-on-bright=0.05 --description "Fashion-MNIST, a bad canary: s1, but NaN for the brightest 5 % of pictures"
"$distill" samples distill/configs/fashion-teacher.toml samples/fashion

python3 distill/quantize.py $models/s1/model.onnx $data/train-images-idx3-ubyte.gz "$runs/s1-int8.onnx" \
    --mean 0.286 --std 0.353 --validation $data/t10k-images-idx3-ubyte.gz --teacher $models/teacher-1/model.onnx
rm -rf $models/s1-int8
golden=$(for picture in "$models"/s1/golden/*.png; do echo --golden "$picture"; done)
# shellcheck disable=SC2086
"$stillhouse" import "$runs/s1-int8.onnx" --model fashion --version s1-int8 --models models --mean 0.286 --std 0.353 \
    --description "Fashion-MNIST, s1 in int8 (QDQ)" $golden \
    --reference "$runs/s1-int8.npy" --reference-teacher "$runs/s1-int8.teacher.npy"
python3 -c "import onnx, sys; [onnx.checker.check_model(onnx.load(f), full_check=True) for f in sys.argv[1:]]" $models/*/model.onnx
"$stillhouse" models check --models models
