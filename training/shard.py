"""RecordIO shards: what `prepare` writes, and the iterators that `train` and `evaluate` read them with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import mxnet as mx

from ratchet.contract import (
    ARCHIVE_FILE,
    SHARD_INDEX_NAME,
    SHARD_NAME,
    SPLITS,
    STATISTICS_FILE,
    ContractError,
    Signature,
    unpack_archive,
)
from training.container import DataProblem, processors


class ShardWriter:
    """Writes one record file per split, each record a PNG with its label and its place in the list of keys."""

    def __init__(self, folder: Path) -> None:
        self._writers = {
            split: mx.recordio.MXIndexedRecordIO(
                str(folder / SHARD_INDEX_NAME.format(split=split)), str(folder / SHARD_NAME.format(split=split)), "w"
            )
            for split in SPLITS
        }
        self.keys: Dict[str, List[str]] = {split: [] for split in SPLITS}

    def write(self, split: str, key: str, label: int, png: bytes) -> None:
        """Append one example."""
        number = len(self.keys[split])
        header = mx.recordio.IRHeader(0, float(label), number, 0)
        self._writers[split].write_idx(number, mx.recordio.pack(header, png))
        self.keys[split].append(key)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()


def open_prepared(channel: Path, scratch: Path) -> Path:
    """The folder with shards and statistics: the channel itself, or its archive unpacked into `scratch`."""
    archive = channel / ARCHIVE_FILE
    if not archive.exists():
        return channel
    scratch.mkdir(parents=True, exist_ok=True)
    try:
        unpack_archive(archive, scratch)
    except ContractError as error:
        raise DataProblem("the prepared data cannot be opened: %s. Run `prepare` again" % error) from error
    return scratch


def read_statistics(folder: Path) -> Dict[str, Any]:
    """What `prepare` counted and measured."""
    try:
        return dict(json.loads((folder / STATISTICS_FILE).read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise DataProblem("%s is missing or broken (%s). Run `prepare` again" % (STATISTICS_FILE, error)) from error


def signature_of(statistics: Dict[str, Any]) -> Signature:
    """How a model trained on these shards is to be fed."""
    image = statistics["image"]
    return Signature(
        channels=image["channels"],
        height=image["height"],
        width=image["width"],
        labels=tuple(statistics["labels"]),
        mean=tuple(statistics["mean"]),
        std=tuple(statistics["std"]),
    )


def iterate(folder: Path, split: str, signature: Signature, batch_size: int, **options: Any) -> Any:
    """An `ImageRecordIter` over a split, normalised as the signature says.

    Yields batches of shape (batch_size, channels, height, width), float32; the last one is padded.
    """
    names = "rgb"[: signature.channels]
    normalise = {"mean_" + name: value for name, value in zip(names, signature.mean)}
    normalise.update({"std_" + name: value for name, value in zip(names, signature.std)})
    return mx.io.ImageRecordIter(
        path_imgrec=str(folder / SHARD_NAME.format(split=split)),
        path_imgidx=str(folder / SHARD_INDEX_NAME.format(split=split)),
        data_shape=(signature.channels, signature.height, signature.width),
        batch_size=batch_size,
        scale=signature.scale,
        preprocess_threads=processors(),
        round_batch=True,
        verbose=False,
        **normalise,
        **options,
    )


def read_records(folder: Path, split: str) -> Iterator[Tuple[int, int, bytes]]:
    """Yield number, label and PNG bytes of every record, in the order they were written."""
    reader = mx.recordio.MXRecordIO(str(folder / SHARD_NAME.format(split=split)), "r")
    try:
        while True:
            record = reader.read()
            if record is None:
                return
            header, png = mx.recordio.unpack(record)
            yield int(header.id), int(header.label), png
    finally:
        reader.close()
