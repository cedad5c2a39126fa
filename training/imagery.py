"""Bytes to pixels, the one way: serving decodes by the same steps, and a test holds both against each other."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
MAX_BYTES = 64 * 1024**2

# What Pillow's decoders raise when they are fed hostile bytes; it promises no single type.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class Unreadable(Exception):
    """The bytes are no image that can be used; the message is a reason a person understands."""


def decode(data: bytes, channels: int, height: int, width: int) -> Image.Image:
    """Decode an image, make it grey or RGB, and resize it; the header is checked before a pixel is decoded.

    Parameters
    ----------
    data
        The bytes of a JPEG, PNG, GIF, WebP, BMP or TIFF file; of a moving image the first frame counts.
    channels
        1 for grey, 3 for RGB.
    height, width
        Pixels of the result.

    Raises
    ------
    Unreadable
        For what is no image, is cut off, or has more than 50 megapixels or 64 MiB.
    """
    if len(data) > MAX_BYTES:
        raise Unreadable("%d bytes are too many" % len(data))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable("%d x %d pixels are too many" % (image.width, image.height))
            plain = _to_eight_bits(image).convert("L" if channels == 1 else "RGB")
    except Image.UnidentifiedImageError as error:
        raise Unreadable("no image of a known kind") from error
    except _DECODER_ERRORS as error:
        raise Unreadable("%s: %s" % (type(error).__name__, error)) from error
    return plain.resize((width, height), Image.BILINEAR)


def to_array(image: Image.Image) -> np.ndarray:
    """The pixels of a grey or RGB image, shape (height, width, channels), uint8."""
    return np.atleast_3d(np.asarray(image))


def encode_png(image: Image.Image) -> bytes:
    """Encode without loss, the same bytes for the same pixels."""
    sink = io.BytesIO()
    image.save(sink, "PNG", compress_level=1)
    return sink.getvalue()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    # convert("L") alone would clip every value above 255 to white.
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    samples = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
    return Image.fromarray((samples >> 8).astype(np.uint8))
