#!/bin/sh
# Trains and writes every version of models/fashion, from the root of the repository:
#
#     distill/ship-fashion.sh RUNS [--device cuda:0]
#
# A finished run is kept if it has the same configuration and the same teacher, and refused otherwise; an interrupted run is
# resumed. Everything after the training is always repeated.
#
# Needs both programs (cargo build --release -p stillhouse -p stillhouse-distill), Debian's dataset-fashion-mnist, and
# for the int8 student Python with distill/requirements.txt.
set -eu
runs=${1:?usage: distill/ship-fashion.sh RUNS [--device cuda:0]}
shift
distill=${DISTILL:-target/release/stillhouse-distill}
stillhouse=${STILLHOUSE:-target/release/stillhouse}
python=${PYTHON:-python3}
data=/usr/share/datasets/fashion-mnist
models=models/fashion

say() { printf '\n== %s\n' "$*"; }
refuse() { printf '%s\n' "$*" >&2; exit 1; }

# Check all prerequisites first rather than after hours of training.
[ -e distill/ship-fashion.sh ] || refuse "run it from the root of the repository"
for program in "$distill" "$stillhouse"; do
    [ -x "$program" ] || refuse "$program is missing: cargo build --release -p stillhouse -p stillhouse-distill"
done
for file in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
    [ -r "$data/$file.gz" ] || refuse "$data/$file.gz is missing: apt install dataset-fashion-mnist"
done
"$python" - distill/requirements.txt <<'END' || refuse "$python -m pip install -r distill/requirements.txt"
import importlib.metadata, sys
wanted = [line.strip().split("==") for line in open(sys.argv[1]) if line[0] not in "#\n"]
found = {dist.metadata["Name"].lower(): dist.version for dist in importlib.metadata.distributions()}
wrong = [f"{name} {version} is needed, {found.get(name, 'none')} is here" for name, version in wanted if found.get(name) != version]
sys.exit("\n".join(wrong) or 0)
END

# train COMMAND NAME CONFIGURATION TEACHER [ARGUMENTS]; no teacher is ''
train() {
    command=$1 name=$2 config=$3 teacher=$4 run=$runs/$2
    shift 4
    origin=$(cat "$config" ${teacher:+"$teacher/checkpoint/network.bpk"} | sha256sum)
    if [ -e "$run" ] && [ "$(cat "$run.origin" 2>/dev/null)" != "$origin" ]; then
        refuse "$run has another $config${teacher:+ or another $teacher}: remove it, or name another directory for runs"
    fi
    if grep -qs '"finished":true' "$run/checkpoint/progress.json"; then
        say "$name: kept as it was trained in $run"
    elif [ -e "$run/checkpoint" ]; then
        say "$name: resumed in $run"
        "$distill" "$command" --run "$run" --resume "$@"
    else
        say "$name: trained in $run"
        mkdir -p "$runs"
        printf '%s\n' "$origin" > "$run.origin"
        set -- "$config" --force ${teacher:+--set "distill.teacher=$teacher"} "$@"
        "$distill" "$command" --run "$run" "$@"
    fi
}
train train-teacher teacher distill/configs/fashion-teacher.toml '' "$@"
train train-teacher blind distill/configs/fashion-blind.toml '' "$@"
train train-student s1 distill/configs/fashion-student.toml "$runs/teacher" "$@"
train train-student canary distill/configs/fashion-canary.toml "$runs/teacher" "$@"

say "versions"
write() { "$distill" export --force "$@"; }
write "$runs/teacher" $models/teacher-1
write "$runs/s1" $models/s1 --teacher $models/teacher-1 --teacher-name fashion/teacher-1
write "$runs/canary" $models/s2 --teacher $models/teacher-1 --teacher-name fashion/teacher-1
write "$runs/blind" $models/bad-blind --teacher $models/teacher-1
write "$runs/s1" $models/bad-overconfident --teacher $models/teacher-1 --teacher-name fashion/teacher-1 \
    --spoil overconfident=4 --description "Fashion-MNIST, a bad canary: the labels of s1, all logits times 4"
write "$runs/s1" $models/bad-nan --teacher $models/teacher-1 --teacher-name fashion/teacher-1 \
    --spoil nan-on-bright=0.05 --description "Fashion-MNIST, a bad canary: s1, but NaN for the brightest 5 % of pictures"
"$distill" samples distill/configs/fashion-teacher.toml samples/fashion

say "the int8 student"
DISTILL=$distill STILLHOUSE=$stillhouse PYTHON=$python distill/ship-int8.sh "$runs"

say "checks"
"$python" -c "import onnx, sys; [onnx.checker.check_model(onnx.load(f), full_check=True) for f in sys.argv[1:]]" $models/*/model.onnx
"$stillhouse" models check --models models
