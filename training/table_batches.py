"""Batches of rows and texts from RecordIO shards: fed as the signature says once, or read anew each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Sequence

import mxnet as mx
import numpy as np
from mxnet.gluon import nn

from ratchet.contract import RawRecord, Signature, read_record
from training.batches import HELD_BYTES, Batches, Held, adopt
from training.container import DataProblem
from training.feed import make_feeder
from training.shard import index_path, shard_path


class TableBatches(Batches):
    """Makes iterators over the splits of prepared tables and texts; nothing is augmented."""

    def __init__(
        self, folder: Path, signature: Signature, *, size: int, threads: int, held_bytes: int = HELD_BYTES
    ) -> None:
        super().__init__(folder, signature, size=size, threads=threads, held_bytes=held_bytes)
        self._feed = make_feeder(signature)

    def make_scaling(self) -> Any:
        """Nothing is left to do on the device."""
        return nn.HybridSequential()

    def _example_bytes(self) -> int:
        return 4 * super()._example_bytes()

    def _read(self, split: str, count: int) -> Held:
        offsets = self._offsets(split)
        with shard_path(self.folder, split).open("rb") as stream:
            return Held(*self._arrays([_read(stream, place) for place in offsets]))

    def _stream(self, split: str, settings: Dict[str, Any]) -> Iterator[Any]:
        offsets = self._offsets(split)
        if settings.get("shuffle"):
            offsets = np.random.RandomState(settings["seed"] % 2**32).permutation(offsets).tolist()
        with shard_path(self.folder, split).open("rb") as stream:
            for start in range(0, len(offsets), self.size):
                places = offsets[start : start + self.size]
                filling = self.size - len(places)
                data, labels = self._arrays([_read(stream, place) for place in places + offsets[:filling]])
                yield mx.io.DataBatch(data=[adopt(data)], label=[adopt(labels)], pad=filling)

    def _offsets(self, split: str) -> List[int]:
        with index_path(self.folder, split).open() as lines:
            return [int(line.split("\t")[1]) for line in lines]

    def _arrays(self, records: Sequence[RawRecord]) -> List[np.ndarray]:
        data = np.stack([self._feed(record.payload) for record in records]).astype(np.float32)
        return [data, np.array([record.label for record in records], dtype=np.float32)]


def open_batches(folder: Path, signature: Signature, *, size: int, threads: int) -> Batches:
    """The batches of prepared data, of the kind that its signature says."""
    kind = Batches if signature.kind == "image" else TableBatches
    return kind(folder, signature, size=size, threads=threads)


def _read(stream: IO[bytes], place: int) -> RawRecord:
    stream.seek(place)
    record = read_record(stream)
    if record is None:
        raise DataProblem("a shard ends before its index does: run `prepare` again")
    return record
