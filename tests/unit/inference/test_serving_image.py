"""Bytes of any kind become a normalised array or a refusal."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference.failure import ServingError
from inference.image import MAX_PIXELS, decode, open_resized
from ratchet.contract import Signature

GREY = Signature(1, 28, 28, ("a",), mean=(0.0,), std=(1.0,))
RGB = Signature(3, 20, 24, ("a",), mean=(10.0, 20.0, 30.0), std=(2.0, 4.0, 5.0), scale=0.5)


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    image.save(sink, kind)
    return sink.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""
    body = b""
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    ):
        body += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + body


def refusal(data: bytes) -> ServingError:
    with pytest.raises(ServingError) as caught:
        decode(data, GREY)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("signature", [GREY, RGB])
def test_every_known_format_becomes_one_batch(kind: str, signature: Signature) -> None:
    batch = decode(encode(Image.linear_gradient("L"), kind), signature)
    assert batch.shape == (1, signature.channels, signature.height, signature.width)
    assert batch.dtype == np.float32
    assert batch.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16", "F"])
def test_every_mode_of_pixels_is_read(mode: str) -> None:
    for channels in (1, 3):
        image = Image.linear_gradient("L").convert("L" if mode == "PA" else "RGB" if mode in ("CMYK", "YCbCr") else "L")
        converted = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
        kind = "PNG" if mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else "TIFF"
        assert open_resized(encode(converted, kind), channels, 8, 9).size == (9, 8)


def test_pixels_are_normalised_by_mean_scale_and_std() -> None:
    batch = decode(encode(Image.new("RGB", (5, 5), (30, 60, 130))), RGB)
    assert batch[0, :, 3, 3].tolist() == pytest.approx([5.0, 5.0, 10.0])


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    samples = np.full((4, 4), 0x8000, dtype=np.uint16)
    assert decode(encode(Image.fromarray(samples)), GREY)[0, 0, 0, 0] == 128


def test_a_header_that_claims_too_many_pixels_is_refused_before_decoding() -> None:
    for width, height in ((7142, 7141), (65535, 65535), (MAX_PIXELS + 1, 1), (16000, 12000)):
        error = refusal(png_header(width, height))
        assert (error.status, error.code) == (413, "too_many_pixels")


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"\xff\xd8\xff",
        bytes(64),
    ],
)
def test_what_is_no_image_is_refused(data: bytes) -> None:
    assert (refusal(data).status, refusal(data).code) == (400, "not_an_image")


def test_no_bytes_are_told_apart_from_bad_bytes() -> None:
    assert refusal(b"").code == "empty_body"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_truncated_image_is_refused(kind: str) -> None:
    data = encode(Image.effect_noise((64, 64), 50), kind)
    assert refusal(data[: len(data) // 2]).status == 400


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]), st.data())
def test_a_damaged_image_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(encode(Image.linear_gradient("L").resize((16, 16)), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ServingError):
        assert np.isfinite(decode(bytes(damaged), GREY)).all()
