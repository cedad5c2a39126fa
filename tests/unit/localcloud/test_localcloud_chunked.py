"""AWS's framing of bodies comes off whole, or the body is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.framing import BrokenBody, unpack


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=4), st.booleans())
def test_a_framed_body_comes_back_with_its_trailer(pieces: list[bytes], signed: bool) -> None:
    mark = b";chunk-signature=" + b"0" * 64 if signed else b""
    chunks = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), mark, piece) for piece in pieces)
    found = unpack(chunks + b"0%s\r\nX-Amz-Checksum-CRC32:AAAAAA==\r\n\r\n" % mark)
    assert found.content == b"".join(pieces)
    assert found.trailers == {"x-amz-checksum-crc32": "AAAAAA=="}


@pytest.mark.parametrize("body", [b"", b"4\r\n123", b"4\r\n12345\r\n0\r\n\r\n", b"x\r\n\r\n", b"4\r\n1234\r\n"])
def test_a_broken_frame_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenBody):
        unpack(body)
