#!/bin/sh
# Trains and writes every version of models/fashion:  distill/ship-fashion.sh RUNS [--device cuda:0]
# Runs that exist already are not trained again. Needs Debian's dataset-fashion-mnist.
set -eu
runs=${1:?usage: distill/ship-fashion.sh RUNS [--device cuda:0]}
shift
distill=${DISTILL:-target/release/stillhouse-distill}
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
write "$runs/s1" $models/s1 --teacher-name fashion/teacher-1
write "$runs/canary" $models/s2 --teacher-name fashion/teacher-1
write "$runs/blind" $models/bad-blind
write "$runs/s1" $models/bad-overconfident --teacher-name fashion/teacher-1 --spoil overconfident=4 \
    --description "Fashion-MNIST, a bad canary: the labels of s1, all logits times 4"
write "$runs/s1" $models/bad-nan --teacher-name fashion/teacher-1 --spoil nan-on-bright=0.05 \
    --description "Fashion-MNIST, a bad canary: s1, but NaN for the brightest 5 % of pictures"
