"""Examples from tables: rows of numbers with a label, prepared in a stream, a row in memory."""

from __future__ import annotations

import argparse
import csv
import math
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from ratchet.contract import SPLITS, split_of
from training.container import DataProblem
from training.dataset import (
    choose_labels,
    refuse_empty_splits,
    refuse_small_classes,
    refuse_unreadable,
)
from training.pixels import BINS
from training.recordio import read_records
from training.shard import ShardWriter, shard_path
from training.source import Source

_LEAST_STD = 1e-6


class Row(NamedTuple):
    """One row: `values` are its features, float32 in little endian; empty with a `reason` when it cannot be used."""

    key: str
    label: str
    values: bytes = b""
    reason: str = ""


class Layout(NamedTuple):
    """Which columns are what."""

    label: str
    features: Tuple[str, ...]
    delimiter: str


def read_layout(sources: Sequence[Source], options: argparse.Namespace) -> Layout:
    """The columns to learn from: as asked for, or all of the first file but the label.

    Raises
    ------
    DataProblem
        When a file lacks one of them, or none is left.
    """
    features = tuple(name for name in options.features.split(",") if name)
    layout = Layout(options.label_column, features, options.delimiter)
    for source in sources:
        with opened_rows(source, options.delimiter) as (header, _):
            pass
        if not layout.features:
            layout = layout._replace(features=tuple(name for name in header if name != layout.label))
        missing = [name for name in (layout.label, *layout.features) if name not in header]
        if missing:
            raise DataProblem("the table %s lacks the columns %s: it has %s" % (source.key, missing, header))
    if not layout.features:
        raise DataProblem("the tables have no column besides the label %r" % layout.label)
    return layout


@contextmanager
def opened_rows(source: Source, delimiter: str) -> Iterator[Tuple[List[str], Iterator[Dict[Any, Any]]]]:
    """A table's header, and its rows as they are read: from columns to cells."""
    with _opened(source) as stream:
        rows = csv.DictReader(stream, delimiter=delimiter)
        yield list(rows.fieldnames or []), rows


@contextmanager
def _opened(source: Source) -> Iterator[IO[str]]:
    try:
        with source.path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataProblem("the table %s cannot be read: %s" % (source.key, error)) from error


def read_rows(sources: Sequence[Source], layout: Layout) -> Iterator[Row]:
    """Yield all rows, in the order of the files and within them; a row's key is its file's and its place in it."""
    for source in sources:
        with opened_rows(source, layout.delimiter) as (_, rows):
            for place, cells in enumerate(rows):
                yield _read_row("%s#%d" % (source.key, place), cells, layout)


def _read_row(key: str, cells: Dict[Any, Any], layout: Layout) -> Row:
    label = (cells.get(layout.label) or "").strip()
    if not label:
        return Row(key, "", reason="no label")
    values = []
    for name in layout.features:
        try:
            value = float(cells[name])
        except (TypeError, ValueError):
            return Row(key, label, reason="%s is %r" % (name, cells[name]))
        if not math.isfinite(value) or abs(value) > 3e38:
            return Row(key, label, reason="%s is %r" % (name, cells[name]))
        values.append(value)
    return Row(key, label, np.asarray(values, dtype="<f4").tobytes())


class Moments:
    """Mean, deviation and range of each feature, row by row, in the order of the rows."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self._squares = np.zeros(width)
        self.least = np.full(width, np.inf)
        self.most = np.full(width, -np.inf)

    def add(self, values: np.ndarray) -> None:
        """Take in a row (Welford, 1962)."""
        self.count += 1
        delta = values - self.mean
        self.mean += delta / self.count
        self._squares += delta * (values - self.mean)
        self.least, self.most = np.minimum(self.least, values), np.maximum(self.most, values)

    @property
    def std(self) -> np.ndarray:
        """Population deviation; a constant feature must not be divided by nothing."""
        std = np.sqrt(self._squares / max(1, self.count))
        return np.where(std < _LEAST_STD, 1.0, std)


def prepare_tables(sources: Sequence[Source], target: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Write the shards of a table into `target`; return what the statistics say of them.

    Raises
    ------
    DataProblem
        When too many rows cannot be used, or there are too few.
    """
    layout = read_layout(sources, options)
    found = Counter(row.label for row in read_rows(sources, layout) if row.label)
    labels = choose_labels(found, options.labels)
    counts: Dict[str, Dict[str, int]] = {split: dict.fromkeys(labels, 0) for split in SPLITS}
    moments, unreadable, writer = Moments(len(layout.features)), [], ShardWriter(target)
    try:
        for row in read_rows(sources, layout):
            if row.reason:
                unreadable.append({"key": row.key, "reason": row.reason})
                continue
            split = split_of(row.key)
            counts[split][row.label] += 1
            writer.write(split, row.key, labels.index(row.label), row.values)
            if split == "train":
                moments.add(np.frombuffer(row.values, dtype="<f4").astype(np.float64))
    finally:
        shards = writer.close()
    total = len(unreadable) + sum(shard["count"] for shard in shards.values())
    refuse_unreadable(unreadable, max(1, total), options.max_unreadable_percent)
    sums = {label: sum(counts[split][label] for split in SPLITS) for label in labels}
    refuse_small_classes(sums, labels, options.min_images_per_class)
    refuse_empty_splits(counts)
    return {
        "labels": labels,
        "layout": "NC",
        "features": layout.features,
        "image": {"channels": 1, "height": 1, "width": len(layout.features)},
        "counts": counts,
        "shards": shards,
        "unreadable": unreadable,
        "keys": writer.keys,
        "mean": moments.mean.tolist(),
        "std": moments.std.tolist(),
        "range": [moments.least.tolist(), moments.most.tolist()],
        "histogram": _histogram(shard_path(target, "train"), moments),
    }


def _histogram(shard: Path, moments: Moments) -> List[List[int]]:
    """How the training rows' values lie between least and most, per feature: a second look, one row in memory."""
    counts = np.zeros((len(moments.mean), BINS), dtype=np.int64)
    width = np.where(moments.most > moments.least, moments.most - moments.least, 1.0)
    every = np.arange(len(moments.mean))
    for record in read_records(shard):
        place = (np.frombuffer(record.payload, dtype="<f4") - moments.least) / width * BINS
        counts[every, np.clip(place.astype(int), 0, BINS - 1)] += 1
    return counts.tolist()
