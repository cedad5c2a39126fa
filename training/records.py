"""Examples from MXNet's record files: images with their labels, one record in memory."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, NamedTuple, Sequence

from ratchet.contract import ContractError, read_record
from training.container import DataProblem
from training.source import Source


class Item(NamedTuple):
    """One record: `key` is the file's and the record's place in it, `label` None when the record has no usable one."""

    key: str
    label: str
    image: bytes


def read_items(sources: Sequence[Source], asked: str) -> Iterator[Item]:
    """Yield all records of the files, in the order of the files and of their records.

    Parameters
    ----------
    asked
        The classes, separated by commas, in the order of the records' labels; empty when the labels name themselves.

    Raises
    ------
    DataProblem
        When a file is broken, or a record's label is none of the classes.
    """
    names = dict(enumerate(label.strip() for label in asked.split(","))) if asked else {}
    for source in sources:
        try:
            with source.path.open("rb") as stream:
                for place, record in enumerate(iter(lambda: read_record(stream), None)):
                    key = "%s#%d" % (source.key, place)
                    yield Item(key, _name(record.label, names, key), record.payload)
        except ContractError as error:
            raise DataProblem("the record file %s is broken: %s. Replace it" % (source.key, error)) from error


def count_labels(sources: Sequence[Source], asked: str) -> Counter:
    """How many records each class has."""
    return Counter(item.label for item in read_items(sources, asked))


def _name(label: float, names: Dict[int, str], key: str) -> str:
    known = 0 <= label < 1e6 and label == int(label) and (not names or int(label) in names)
    if not known:
        allowed = "0 to %d" % (len(names) - 1) if names else "whole numbers from 0"
        raise DataProblem("the record %s has the label %g, allowed are %s" % (key, label, allowed))
    return names[int(label)] if names else str(int(label))
