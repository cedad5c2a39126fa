"""Prepared data: one RecordIO shard per split and its statistics, as `prepare` writes them and the others read them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

from ratchet.contract import (
    ARCHIVE_FILE,
    SHARD_INDEX_NAME,
    SHARD_NAME,
    SPLITS,
    STATISTICS_FILE,
    ContractError,
    Signature,
    sha256_file,
    unpack_archive,
)
from training.container import DataProblem
from training.recordio import Record, RecordWriter, read_records


def shard_path(folder: Path, split: str) -> Path:
    """Where a split's records lie."""
    return folder / SHARD_NAME.format(split=split)


def index_path(folder: Path, split: str) -> Path:
    """Where a split's index lies."""
    return folder / SHARD_INDEX_NAME.format(split=split)


class ShardWriter:
    """Writes one record file per split, each record an example with its label and its place in the list of keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers = {split: RecordWriter(shard_path(folder, split), index_path(folder, split)) for split in SPLITS}
        self.keys: Dict[str, List[str]] = {split: [] for split in SPLITS}

    def write(self, split: str, key: str, label: int, payload: bytes) -> None:
        """Append one example."""
        self._writers[split].write(Record(len(self.keys[split]), label, payload))
        self.keys[split].append(key)

    def close(self) -> Dict[str, Dict[str, Any]]:
        """Finish the files; return `count` and `sha256` of each shard."""
        for writer in self._writers.values():
            writer.close()
        return {
            split: {"count": len(self.keys[split]), "sha256": sha256_file(shard_path(self._folder, split))}
            for split in SPLITS
        }


def open_prepared(channel: Path, scratch: Path) -> Path:
    """The folder with shards and statistics: the channel itself, or its archive unpacked into `scratch`.

    Raises
    ------
    DataProblem
        When the archive is hostile or broken.
    """
    archive = channel / ARCHIVE_FILE
    if not archive.exists():
        return channel
    scratch.mkdir(parents=True)
    try:
        # Shards may be larger than any model: what fits on the volume is the bound.
        unpack_archive(archive, scratch, max_bytes=shutil.disk_usage(str(scratch)).free)
    except ContractError as error:
        raise DataProblem("the prepared data cannot be opened: %s. Run `prepare` again" % error) from error
    return scratch


def take_share(folder: Path, target: Path, splits: List[str], *, rank: int, size: int) -> Path:
    """Copy every `size`th record of each split, beginning with number `rank`, into shards of its own below `target`.

    Not a part in one piece: shards lie in the order of the classes, and every host must see all of them.
    """
    target.mkdir(parents=True)
    for split in splits:
        writer = RecordWriter(shard_path(target, split), index_path(target, split))
        for place, record in enumerate(read_records(shard_path(folder, split))):
            if place % size == rank:
                writer.write(record)
        writer.close()
    return target


def read_statistics(folder: Path, splits: List[str]) -> Dict[str, Any]:
    """What `prepare` counted and measured; the shards of `splits` are checked against their digests.

    Raises
    ------
    DataProblem
        When the statistics are missing or a shard is not the one that they were taken from.
    """
    try:
        statistics: Dict[str, Any] = json.loads((folder / STATISTICS_FILE).read_text("utf-8"))
        broken = [
            split for split in splits if sha256_file(shard_path(folder, split)) != statistics["shards"][split]["sha256"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataProblem("the prepared data is not whole (%r): run `prepare` again" % error) from error
    if broken:
        raise DataProblem("the shards %s are not what `prepare` wrote: run it again" % ", ".join(broken))
    return statistics


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
        layout=statistics.get("layout", "NCHW"),
        features=tuple(statistics.get("features", ())),
        tokenizer=statistics.get("tokenizer", ""),
        vocabulary=tuple(statistics.get("vocabulary", ())),
    )
