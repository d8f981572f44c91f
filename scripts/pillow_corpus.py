#!/usr/bin/env python3
"""Fetches Pillow's own test pictures into target/pillow, with what Pillow makes of each.

    python3 scripts/pillow_corpus.py        needs pip, Pillow and numpy

`NAME` is a JPEG, PNG or WebP of Pillow's source package; `NAME.ppm` its upright, opaque RGB pixels by the Pillow that runs
this, or `NAME.refused` that Pillow's reason. The test `pillow_corpus` of crates/image compares, and is skipped without them.
"""
import io
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path

VERSION = "13.0.0"
TARGET = Path(__file__).resolve().parent.parent / "target" / "pillow"
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
MAX_PIXELS = 20_000_000


def source(folder):
    """The source package, by pip."""
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "pillow", "--dest", folder]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, f"pillow=={VERSION}"], check=True)
    return next(Path(folder).glob("pillow-*.tar.gz"))


def rgb(data):
    """Upright, over white, 8 bits; of 16-bit gray the upper byte."""
    import numpy as np
    from PIL import Image, ImageOps

    image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"])
    if image.width * image.height > MAX_PIXELS:
        raise ValueError("too large")
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        gray = (samples >> 8).astype(np.uint8)
        gray[samples == image.info.get("transparency", -1)] = 255
        image = Image.fromarray(gray)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def main():
    try:
        import numpy  # noqa: F401
        import PIL  # noqa: F401
    except ImportError as missing:
        sys.exit(f"pillow corpus: {missing}; nothing was fetched")
    warnings.simplefilter("ignore")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, tarfile.open(source(folder)) as archive:
        for member in archive:
            path = Path(member.name)
            if not member.isfile() or path.suffix.lower() not in SUFFIXES or "images" not in path.parts:
                continue
            data = archive.extractfile(member).read()
            name = "-".join(path.parts[path.parts.index("images") + 1 :])
            (TARGET / name).write_bytes(data)
            try:
                image = rgb(data)
            except Exception as error:  # whatever it is: Pillow has no picture
                (TARGET / f"{name}.refused").write_text(f"{error}\n")
                continue
            header = b"P6 %d %d 255\n" % image.size
            (TARGET / f"{name}.ppm").write_bytes(header + image.tobytes())
    print(f"pillow corpus: {sum(1 for path in TARGET.iterdir() if path.suffix in SUFFIXES)} pictures in {TARGET}")


if __name__ == "__main__":
    main()
