"""Bring what Pillow has to sRGB, and transparency to where it is wanted."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

__all__ = ["flattened", "opaque", "to_srgb"]

SPACES = {"L": "GRAY", "RGB": "RGB ", "CMYK": "CMYK"}
MAX_PROFILE = 4 * 2**20


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Return an L, RGB or RGBA image in sRGB; a profile that can't be used counts as none."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    if isinstance(profile, bytes) and len(profile) <= MAX_PROFILE:
        colours = _transformed(colours, profile)
    if colours.mode == "CMYK":
        colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def _transformed(image: Image.Image, data: bytes) -> Image.Image:
    """Relative colorimetric, with black point compensation: what browsers and libvips do."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space != SPACES.get(image.mode):
            return image
        if (profile.profile.profile_description or "").startswith("sRGB"):
            return image
        done = ImageCms.profileToProfile(
            image, profile, _srgb(),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if done is None else done


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def opaque(image: Image.Image) -> Image.Image:
    """Drop an alpha channel that hides nothing."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image


def flattened(image: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    """Put a colour beneath what is transparent, so that nothing hidden comes to light."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGB", image.size, ground)
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas
