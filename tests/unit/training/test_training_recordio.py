"""RecordIO: whatever is written is read again, and a broken file is noticed."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies

from training.container import DataProblem
from training.recordio import Record, RecordWriter, read_records

MAGIC = b"\x0a\x23\xd7\xce"
# Bytes in which the format's own magic number is common, aligned and not.
PAYLOADS = strategies.lists(strategies.sampled_from([MAGIC, MAGIC[:2], b"\0", b"png"]), max_size=12).map(b"".join)


def write(folder: Path, payloads: list[bytes]) -> Path:
    writer = RecordWriter(folder / "a.rec", folder / "a.idx")
    for number, payload in enumerate(payloads):
        writer.write(Record(number, number % 5, payload))
    writer.close()
    return folder / "a.rec"


@given(strategies.lists(PAYLOADS, max_size=6))
def test_reads_what_was_written(payloads):
    with tempfile.TemporaryDirectory() as folder:
        records = list(read_records(write(Path(folder), payloads)))
    assert records == [Record(number, number % 5, payload) for number, payload in enumerate(payloads)]


@given(strategies.lists(PAYLOADS, min_size=1, max_size=4))
def test_the_index_says_where_each_record_begins(payloads):
    with tempfile.TemporaryDirectory() as folder:
        content = write(Path(folder), payloads).read_bytes()
        lines = (Path(folder) / "a.idx").read_text().splitlines()
    for number, line in enumerate(lines):
        name, place = map(int, line.split("\t"))
        assert name == number
        assert content[place : place + 4] == MAGIC
        # Part's head, then flag and label, then the number.
        assert struct.unpack_from("<Q", content, place + 8 + 8)[0] == number
    assert len(lines) == len(payloads)


@pytest.mark.parametrize("size", [3, 8, 20, 41, 63])
def test_a_file_that_is_cut_off_is_broken(tmp_path, size):
    path = write(tmp_path, [b"twenty bytes of image", b"and more"])
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataProblem, match=r"a\.rec is broken"):
        list(read_records(path))


def test_a_file_of_something_else_is_broken(tmp_path):
    (tmp_path / "a.rec").write_bytes(b"\x1f\x8b no record file at all")
    with pytest.raises(DataProblem, match="broken"):
        list(read_records(tmp_path / "a.rec"))
