"""Bytes to pixels, the one way: serving decodes by the same steps, and a test holds both against each other."""

from __future__ import annotations

import io
import warnings

from PIL import Image

MAX_PIXELS = 50_000_000


class Unreadable(Exception):
    """The bytes are no image that can be used."""


def decode(data: bytes, channels: int, height: int, width: int) -> Image.Image:
    """Decode an image, make it grey or RGB, and resize it.

    Parameters
    ----------
    data
        The bytes of an image file.
    channels
        1 for grey, 3 for RGB.
    height, width
        Pixels of the result.

    Raises
    ------
    Unreadable
        For what is no image, is cut off, or has more than 50 megapixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                _refuse_giants(image)
                image.load()
                plain = image.convert("L" if channels == 1 else "RGB")
    except Unreadable:
        raise
    # Pillow's decoders promise no single type of error for hostile bytes.
    except Exception as error:
        raise Unreadable("%s: %s" % (type(error).__name__, error)) from error
    return plain.resize((width, height), Image.BILINEAR)


def _refuse_giants(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise Unreadable("%d x %d pixels are too many" % (image.width, image.height))


def encode_png(image: Image.Image) -> bytes:
    """Encode without loss, the same bytes for the same pixels."""
    sink = io.BytesIO()
    image.save(sink, "PNG", compress_level=1)
    return sink.getvalue()
