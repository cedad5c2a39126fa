"""Batches of rows and texts from RecordIO shards: read where the index says, a batch in memory."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Dict, Iterator, List

import mxnet as mx
import numpy as np

from ratchet.contract import RawRecord, Signature, read_record
from training.batches import Batches
from training.container import DataProblem
from training.feed import make_feeder
from training.shard import index_path, shard_path


class TableBatches(Batches):
    """Makes iterators over the splits of prepared tables and texts; nothing is augmented."""

    def __init__(self, folder: Path, signature: Signature, *, size: int, threads: int) -> None:
        super().__init__(folder, signature, size=size, threads=threads)
        self._feed = make_feeder(signature)

    def _iterate(self, split: str, settings: Dict[str, Any]) -> Iterator[Any]:
        with index_path(self.folder, split).open() as lines:
            offsets = [int(line.split("\t")[1]) for line in lines]
        if settings.get("shuffle"):
            offsets = np.random.RandomState(settings["seed"] % 2**32).permutation(offsets).tolist()
        with shard_path(self.folder, split).open("rb") as stream:
            for start in range(0, len(offsets), self.size):
                places = offsets[start : start + self.size]
                filling = self.size - len(places)
                yield self._batch([_read(stream, place) for place in places + offsets[:filling]], filling)

    def _batch(self, records: List[RawRecord], filling: int) -> Any:
        data = mx.nd.array(np.stack([self._feed(record.payload) for record in records]))
        return mx.io.DataBatch(data=[data], label=[mx.nd.array([record.label for record in records])], pad=filling)


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
