"""Random pictures from a seed: strokes like handwriting, and noise with the spectrum of a photograph."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def encoded(picture, kind, **options):
    into = io.BytesIO()
    picture.save(into, kind, **options)
    return into.getvalue()


def digits(count, seed):
    """28x28 gray PNG of about 300 bytes, similar to MNIST."""
    random = np.random.default_rng(seed)
    for number in range(count):
        large = Image.new("L", (112, 112))
        pen = ImageDraw.Draw(large)
        for _ in range(3):
            box = np.sort(random.integers(22, 90, (2, 2)), axis=0)
            box[1] += 12
            start = int(random.integers(0, 360))
            pen.arc([*map(int, box.ravel())], start, start + int(random.integers(150, 300)), fill=255, width=11)
        small = large.filter(ImageFilter.GaussianBlur(1)).resize((28, 28), Image.Resampling.BOX)
        yield f"{number}.png", encoded(small, "PNG", optimize=True)


def photographs(count, seed):
    """640x480, JPEG of quality 85: noise whose amplitude falls with the frequency, as in photographs, and some edges."""
    random = np.random.default_rng(seed)
    down, across = np.meshgrid(np.fft.fftfreq(480), np.fft.rfftfreq(640), indexing="ij")
    amplitude = 1 / np.maximum(np.hypot(down, across), 1 / 640) ** 1.25
    for number in range(count):
        light = np.fft.irfft2(np.fft.rfft2(random.normal(size=(480, 640))) * amplitude, s=(480, 640))
        pixels = np.empty((480, 640, 3))
        for channel in range(3):
            own = np.fft.irfft2(np.fft.rfft2(random.normal(size=(480, 640))) * amplitude, s=(480, 640))
            mixed = light / light.std() + 0.4 * own / own.std()
            pixels[..., channel] = random.uniform(80, 170) + 45 * mixed
        picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        pen = ImageDraw.Draw(picture, "RGBA")
        for _ in range(6):
            x, y, width, height = map(int, random.integers([0, 0, 60, 60], [560, 400, 300, 240]))
            color = (*map(int, random.integers(0, 256, 3)), 150)
            pen.ellipse([x, y, x + width, y + height], fill=color)
        yield f"{number}.jpg", encoded(picture, "JPEG", quality=85)
