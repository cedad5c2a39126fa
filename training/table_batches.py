"""Batches of a table's rows from RecordIO shards: read where the index says, a batch in memory."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Dict, Iterator, List

import mxnet as mx
import numpy as np

from ratchet.contract import RawRecord, Signature, read_record
from training.batches import Batches
from training.container import DataProblem
from training.shard import index_path, shard_path


class TableBatches(Batches):
    """Makes iterators over the splits of prepared tables; nothing is augmented."""

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
        rows = np.stack([np.frombuffer(record.payload, dtype="<f4") for record in records])
        factor = np.float32(self.signature.scale) / np.float32(self.signature.std)
        data = mx.nd.array((rows - np.float32(self.signature.mean)) * factor)
        return mx.io.DataBatch(data=[data], label=[mx.nd.array([record.label for record in records])], pad=filling)


def open_batches(folder: Path, signature: Signature, *, size: int, threads: int) -> Batches:
    """The batches of prepared data, images or tables as its signature says."""
    kind = TableBatches if signature.layout == "NC" else Batches
    return kind(folder, signature, size=size, threads=threads)


def _read(stream: IO[bytes], place: int) -> RawRecord:
    stream.seek(place)
    record = read_record(stream)
    if record is None:
        raise DataProblem("a shard ends before its index does: run `prepare` again")
    return record
