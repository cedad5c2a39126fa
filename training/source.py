"""Files of a frozen dataset that hold many examples each: checked in a stream, then read one example at a time."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Iterator, List, Sequence

from training.checksum import matches
from training.container import DataProblem
from training.dataset import Entry, Frozen, locate, refuse_changes

_CHUNK_BYTES = 1024 * 1024


class Source:
    """One file and the entry that it was frozen as."""

    def __init__(self, path: Path, entry: Entry) -> None:
        self.path = path
        self.key = entry.key
        self._entry = entry

    def is_frozen(self) -> bool:
        """Whether the file's bytes are those that were frozen."""
        try:
            if self.path.stat().st_size != self._entry.size:
                return False
            with self.path.open("rb") as stream:
                return matches(_chunks(stream), self._entry.checksum)
        except OSError:
            return False


def open_sources(folder: Path, frozen: Frozen, names: str, suffix: str) -> List[Source]:
    """The dataset's files of a kind, in the order of their keys.

    Raises
    ------
    DataProblem
        When files differ from what was frozen, or there is none of this kind.
    """
    entries: Sequence[Entry] = [entry for entry in frozen.entries if entry.key.lower().endswith(suffix)]
    if not entries:
        raise DataProblem("the dataset holds no %s file: upload some, or correct data.format" % suffix)
    sources = [Source(locate(folder, entry, names), entry) for entry in entries]
    refuse_changes([source.key for source in sources if not source.is_frozen()])
    return sources


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(_CHUNK_BYTES), b"")
