"""SSIM, after Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment" (2004)."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["pixels", "reference", "ssim"]

Pixels = NDArray[np.float64]

SIGMA = 1.5
TAPS = 11
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(one: Pixels, other: Pixels) -> float:
    """Compare the luma of two pictures of one size; 1.0 is equal."""
    a, b = luma(one), luma(other)
    assert a.shape == b.shape, (a.shape, b.shape)
    mean_a, mean_b = blurred(a), blurred(b)
    var_a = blurred(a * a) - mean_a**2
    var_b = blurred(b * b) - mean_b**2
    cov = blurred(a * b) - mean_a * mean_b
    top = (2 * mean_a * mean_b + C1) * (2 * cov + C2)
    bottom = (mean_a**2 + mean_b**2 + C1) * (var_a + var_b + C2)
    return float(np.mean(top / bottom))


def luma(picture: Pixels) -> Pixels:
    if picture.ndim == 2:
        return picture
    return np.asarray(picture[..., :3] @ np.array([0.299, 0.587, 0.114]))


def blurred(plane: Pixels) -> Pixels:
    """Filter with a Gaussian window, where it fits in whole."""
    at = np.arange(TAPS) - TAPS // 2
    window = np.exp(-(at**2) / (2 * SIGMA**2))
    window /= window.sum()
    for axis in (0, 1):
        count = plane.shape[axis] - TAPS + 1
        plane = np.asarray(
            sum(w * np.take(plane, range(n, n + count), axis) for n, w in enumerate(window))
        )
    return plane


def pixels(data: bytes | Image.Image) -> Pixels:
    """Return the colours of a picture, as a browser that knows no profiles shows them."""
    image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else data
    return np.asarray(image.convert("RGB"), dtype=np.float64)


def reference(
    data: bytes | Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None
) -> Pixels:
    """Scale at the highest quality: all of it decoded, in floating point, one Lanczos filter."""
    image = Image.open(io.BytesIO(data)) if isinstance(data, bytes) else data
    bands = [
        np.asarray(band.convert("F").resize(size, Image.Resampling.LANCZOS, box))
        for band in image.convert("RGB").split()
    ]
    return np.clip(np.stack(bands, axis=-1), 0, 255).astype(np.float64)
