"""Training and serving see the same pixels in the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings, strategies
from PIL import Image

from inference.image import open_resized
from training.imagery import Unreadable, decode, encode_png, to_array
from training.pixels import Pixels, count_values


def draw(mode: str, kind: str, size: tuple[int, int] = (40, 30), seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed)
    if mode == "I;16":
        image = Image.fromarray(noise.integers(0, 65536, size[::-1], dtype=np.uint16))
    else:
        image = Image.fromarray(noise.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode)
    sink = io.BytesIO()
    image.save(sink, kind)
    return sink.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"), ("P", "GIF"),
        ("1", "PNG"), ("I;16", "PNG"), ("RGB", "WEBP"), ("RGB", "BMP"), ("RGB", "TIFF"),
    ],
)  # fmt: skip
def test_serving_and_training_decode_alike(mode, kind, channels):
    data = draw(mode, kind)
    ours = to_array(decode(data, channels, 16, 20))
    assert ours.shape == (16, 20, channels)
    theirs = np.atleast_3d(np.asarray(open_resized(data, channels, 16, 20)))
    assert (ours == theirs).all()


@settings(max_examples=25)
@given(strategies.integers(1, 60), strategies.integers(1, 60), strategies.integers(0, 1000))
def test_what_is_stored_in_a_shard_is_decoded_again_to_the_same_pixels(width, height, seed):
    image = decode(draw("RGB", "PNG", (width, height), seed), 3, 24, 24)
    assert (to_array(decode(encode_png(image), 3, 24, 24)) == to_array(image)).all()


def test_sixteen_bit_images_are_scaled_and_not_clipped_to_white():
    assert to_array(decode(draw("I;16", "PNG"), 1, 30, 40)).std() > 50


@pytest.mark.parametrize("data", [b"", b"<svg/>", draw("RGB", "PNG")[:80], draw("RGB", "JPEG")[:300], b"%!PS-Adobe"])
def test_says_that_it_cannot_read(data):
    with pytest.raises(Unreadable):
        decode(data, 3, 8, 8)


def test_refuses_a_giant_by_its_header():
    sink = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(sink, "PNG")
    with pytest.raises(Unreadable, match="10000 x 6000 pixels are too many"):
        decode(sink.getvalue(), 1, 8, 8)


@settings(max_examples=25)
@given(strategies.lists(strategies.integers(0, 1000), min_size=1, max_size=5), strategies.sampled_from([1, 3]))
def test_statistics_one_by_one_are_those_of_all_pixels_at_once(seeds, channels):
    images = [np.random.default_rng(seed).integers(0, 256, (5, 7, channels), dtype=np.uint8) for seed in seeds]
    pixels = Pixels(channels)
    for image in images:
        pixels.add(count_values(image))
    described, everything = pixels.describe(), np.concatenate([image.reshape(-1, channels) for image in images])
    assert described["mean"] == pytest.approx(everything.mean(axis=0))
    assert described["std"] == pytest.approx(everything.std(axis=0))
    for channel in range(channels):
        expected = np.histogram(everything[:, channel], bins=32, range=(0, 256))[0]
        assert described["histogram"][channel] == expected.tolist()


def test_a_constant_channel_is_never_divided_by_nothing():
    pixels = Pixels(1)
    pixels.add(count_values(np.full((4, 4, 1), 9, dtype=np.uint8)))
    assert pixels.describe()["std"] == [1.0]
