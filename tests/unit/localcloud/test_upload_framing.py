"""AWS's own framing of bodies is taken off as the bytes come, however they are cut."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.body import set_vault
from localcloud.durable.vault import Vault
from localcloud.framing import BrokenBody
from localcloud.upload import receive

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILED = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "x-amz-trailer": "x-amz-checksum-crc32"}


@pytest.fixture(scope="module", autouse=True)
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault(Path(tmp_path_factory.mktemp("vault")))
    set_vault(made)
    yield made
    set_vault(None)


def reader(wire: bytes, sizes: list[int]) -> Callable[[int], bytes]:
    """Return a `read` that hands out pieces of these sizes in turns."""
    left = memoryview(wire)
    turn = 0

    def read(limit: int) -> bytes:
        nonlocal left, turn
        count = min(limit, sizes[turn % len(sizes)])
        turn += 1
        piece, left = bytes(left[:count]), left[count:]
        return piece

    return read


def frame(chunks: list[bytes], trailer: str = "", signature: str = "") -> bytes:
    parts = [f"{len(chunk):x}{signature}\r\n".encode() + chunk + b"\r\n" for chunk in [c for c in chunks if c]]
    return b"".join([*parts, f"0{signature}\r\n{trailer}\r\n".encode()])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 70), min_size=1, max_size=5), st.booleans()
)
def test_the_bytes_are_those_of_the_chunks(chunks, sizes, signed):
    content = b"".join(chunks)
    crc = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    signature = ";chunk-signature=" + "0" * 64 if signed else ""
    wire = frame(chunks, f"x-amz-checksum-crc32:{crc}\r\n", signature)
    headers = TRAILED | ({"x-amz-content-sha256": SIGNED} if signed else {})
    upload = receive(reader(wire, sizes), len(wire), headers)
    assert upload.body.read() == content
    assert upload.body.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
    assert upload.trailers == {"x-amz-checksum-crc32": crc}
    assert upload.sums["CRC32"] == crc
    upload.discard()


@pytest.mark.parametrize("wire", [b"5\r\nab", b"x\r\nabcde\r\n0\r\n\r\n", b"2\r\nabc\r\n0\r\n\r\n", b""])
def test_a_broken_frame_is_refused_and_leaves_nothing(wire, vault):
    with pytest.raises(BrokenBody):
        receive(reader(wire, [3]), len(wire), TRAILED)
    assert list(vault.folder.iterdir()) == []


def test_a_body_that_ends_early_is_refused(vault):
    with pytest.raises(BrokenBody):
        receive(reader(b"abc", [2]), 5, {})
    assert list(vault.folder.iterdir()) == []


def test_a_body_without_a_length_ends_with_its_stream():
    upload = receive(reader(b"abcdef", [4]), None, {})
    assert upload.body.read() == b"abcdef"
    upload.discard()
