"""Images and near-images that the serving tests send."""

import io
import random
import struct
import zlib

from PIL import Image


def picture(seed: int = 7, size: tuple[int, int] = (28, 28), mode: str = "L", kind: str = "PNG") -> bytes:
    """A noisy image that is the same for the same seed."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.Random(seed).randbytes(size[0] * size[1] * bands)
    sink = io.BytesIO()
    Image.frombytes(mode, size, pixels).save(sink, kind)
    return sink.getvalue()


def claim_png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""
    body = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return body
