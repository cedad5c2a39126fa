"""Turns bytes from outside into the array a model is fed, as training did; looks at the header before it decodes."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib

import numpy as np
from PIL import Image

from inference.failure import ServingError
from ratchet.contract import Signature

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 50_000_000
_LARGE_PIXELS = 4_000_000

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
)

# A 50-megapixel image takes 200 MB while it is decoded: one of those at a time.
_large_images = threading.Lock()


def decode(data: bytes, signature: Signature) -> np.ndarray:
    """Decode an image into a batch of one.

    Parameters
    ----------
    data
        The bytes of a JPEG, PNG, GIF, WebP, BMP or TIFF file.
    signature
        Shape, layout and normalisation of the model's input.

    Returns
    -------
    Array of shape (1, channels, height, width), float32, normalised.

    Raises
    ------
    ServingError
        400 for what is no image or a broken one, 413 for one of more than `MAX_PIXELS`.
    """
    if not data:
        raise ServingError(400, "empty_body", "There are no bytes: send an image.")
    pixels = np.asarray(open_resized(data, signature.channels, signature.height, signature.width), dtype=np.float32)
    return normalise(pixels, signature)


def load_decoders() -> None:
    """Import Pillow's plug-ins now, which the first image would wait for."""
    Image.init()


def open_resized(data: bytes, channels: int, height: int, width: int) -> Image.Image:
    """Decode to grey or RGB and resize to `height` x `width`, in the order that training uses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = _open(data)
        try:
            if image.size[0] * image.size[1] < _LARGE_PIXELS:
                return _resize(image, channels, height, width)
            with _large_images:
                return _resize(image, channels, height, width)
        except (*_DECODER_ERRORS, Image.DecompressionBombError) as error:
            raise ServingError(400, "broken_image", "The image cannot be decoded: %s." % error) from error


def normalise(pixels: np.ndarray, signature: Signature) -> np.ndarray:
    """Scale pixels (H, W) or (H, W, C) of 0 to 255 to (1, C, H, W) by the signature's mean, std and scale."""
    planes = pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    mean = np.asarray(signature.mean, dtype=np.float32).reshape(-1, 1, 1)
    factor = np.float32(signature.scale) / np.asarray(signature.std, dtype=np.float32).reshape(-1, 1, 1)
    return np.ascontiguousarray((planes - mean) * factor, dtype=np.float32)[np.newaxis]


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except _DECODER_ERRORS as error:
        raise ServingError(400, "not_an_image", "The bytes are no image; known are %s." % ", ".join(FORMATS)) from error
    if image.size[0] * image.size[1] > MAX_PIXELS:
        raise _too_large()
    return image


def _too_large() -> ServingError:
    limit = MAX_PIXELS // 1_000_000
    return ServingError(413, "too_many_pixels", "The image has more than %d million pixels." % limit)


def _resize(image: Image.Image, channels: int, height: int, width: int) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _to_eight_bits(image)
    mode = "L" if channels == 1 else "RGB"
    # convert() copies even what is right already: 200 MB for the largest images.
    plain = image if image.mode == mode else image.convert(mode)
    return plain.resize((width, height), Image.BILINEAR)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    # convert("L") alone would clip every value above 255 to white.
    return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
