#!/bin/sh
# Fetches the pinned ONNX Runtime shared library from PyPI into target/onnxruntime/.
#
# usage: scripts/onnxruntime.sh [--required]
#
# Wheel and library are checked against scripts/onnxruntime.sha256. A correct library is kept.
# Without pip or network the server runs on the embedded engine, so that is not an error unless --required is given;
# a wrong checksum always is.
set -eu

version=1.31.1
required=${1:-}
root=$(cd "$(dirname "$0")/.." && pwd)
sums=$root/scripts/onnxruntime.sha256
target=$root/target/onnxruntime
library=libonnxruntime.so.$version

give_up() {
    echo "onnxruntime: $1; the server will use the embedded engine (tract)"
    [ "$required" != --required ]
    exit
}

refuse() {
    echo "onnxruntime: $1 is not the one that was pinned: its sha256 differs; nothing was installed" >&2
    exit 1
}

sum_of() { sed -n "s|^\([0-9a-f]*\)  $1\$|\1|p" "$sums"; }

is_right() { [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status; }

case "$required" in
'' | --required) ;;
*) echo "usage: $0 [--required]" >&2; exit 2 ;;
esac

machine=$(uname -m)
[ "$machine" = arm64 ] && machine=aarch64
library_sum=$(sum_of "$machine/$library")
[ "$(uname -s)" = Linux ] && [ -n "$library_sum" ] || give_up "no wheel is pinned for $(uname -s) on $machine"

if is_right "$target/$library" "$library_sum"; then
    echo "onnxruntime: $version is in target/onnxruntime already"
    exit
fi

# All CPython wheels of a platform contain the same library, so any Python version can fetch this one.
wheel=onnxruntime-$version-cp311-cp311-manylinux_2_28_$machine.whl
python3 -m pip --version >/dev/null 2>&1 || give_up "python3 with pip is not here"
mkdir -p "$target"
work=$(mktemp -d "$target/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 20 --no-deps --only-binary=:all: \
    --implementation cp --python-version 3.11 --abi cp311 --platform "manylinux_2_28_$machine" \
    --dest "$work" "onnxruntime==$version" >"$work/pip.log" 2>&1 ||
    give_up "pip could not fetch $wheel ($(tail -n 1 "$work/pip.log"))"
is_right "$work/$wheel" "$(sum_of "$wheel")" || refuse "$wheel"

python3 -m zipfile --extract "$work/$wheel" "$work/wheel"
is_right "$work/wheel/onnxruntime/capi/$library" "$library_sum" || refuse "$library in $wheel"
# Remove other versions, which would be found or not depending on their names.
rm -f "$target"/libonnxruntime.so*
mv "$work/wheel/onnxruntime/LICENSE" "$work/wheel/onnxruntime/ThirdPartyNotices.txt" "$target/"
mv "$work/wheel/onnxruntime/capi/$library" "$target/$library"
echo "onnxruntime: $version fetched into target/onnxruntime ($machine)"
