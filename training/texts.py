"""Examples from texts: files in class folders, or a column of tables; the vocabulary is the training split's alone."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence

from ratchet.contract import MAX_TEXT_LETTERS, SPLITS, split_of, split_tokens
from training.container import DataProblem
from training.dataset import (
    Frozen,
    choose_labels,
    locate,
    read_frozen,
    refuse_changes,
    refuse_empty_splits,
    refuse_small_classes,
    refuse_unreadable,
)
from training.shard import ShardWriter
from training.source import Source
from training.tables import opened_rows

# What was seen once says nothing of others, and teaches the network what to think of what it does not know.
_LEAST_SEEN = 2
_MAX_BYTES = 64 * 1024**2


class Passage(NamedTuple):
    """One example: its text, or why there is none; `changed` when it is not what was frozen."""

    key: str
    label: str
    text: str = ""
    reason: str = ""
    changed: bool = False


def read_files(folder: Path, frozen: Frozen, names: str) -> Iterator[Passage]:
    """Yield the texts of class folders, `<label>/<file>`, one in memory, in the order of the keys."""
    for entry in frozen.entries:
        if entry.size > _MAX_BYTES:
            yield Passage(entry.key, entry.label, reason="%d bytes are too many" % entry.size)
            continue
        data = read_frozen(locate(folder, entry, names), entry)
        if data is None:
            yield Passage(entry.key, entry.label, changed=True)
            continue
        try:
            yield _make(entry.key, entry.label, data.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            yield Passage(entry.key, entry.label, reason="no UTF-8: %s" % error.reason)


def read_column(sources: Sequence[Source], options: argparse.Namespace) -> Iterator[Passage]:
    """Yield the texts of tables, a row's key being its file's and its place in it.

    Raises
    ------
    DataProblem
        When a file lacks the label's or the text's column.
    """
    label, text = options.label_column, options.text_column
    for source in sources:
        with opened_rows(source, options.delimiter) as (header, rows):
            missing = [name for name in (label, text) if name not in header]
            if missing:
                raise DataProblem("the table %s lacks the columns %s: it has %s" % (source.key, missing, header))
            for place, cells in enumerate(rows):
                key, found = "%s#%d" % (source.key, place), (cells.get(label) or "").strip()
                yield _make(key, found, cells.get(text) or "") if found else Passage(key, "", reason="no label")


def _make(key: str, label: str, text: str) -> Passage:
    if "\0" in text:
        return Passage(key, label, reason="no text, it holds zeros")
    return Passage(key, label, text[:MAX_TEXT_LETTERS]) if text.strip() else Passage(key, label, reason="no text")


def prepare_texts(
    found: Counter, passages: Iterator[Passage], target: Path, options: argparse.Namespace
) -> Dict[str, Any]:
    """Write the shards of texts into `target`; return what the statistics say of them.

    Parameters
    ----------
    found
        How many examples each class has, readable or not.

    Raises
    ------
    DataProblem
        When files differ from the manifest, too many cannot be used, or there are too few.
    """
    labels = choose_labels(found, options.labels)
    outcome, writer = Outcome(labels, options.tokenizer), ShardWriter(target)
    try:
        for passage in passages:
            outcome.take(passage, writer)
    finally:
        shards = writer.close()
    outcome.check(options)
    return {
        "labels": labels,
        "layout": "NT",
        "tokenizer": options.tokenizer,
        "vocabulary": outcome.vocabulary(options.vocabulary),
        "image": {"channels": 1, "height": 1, "width": options.length},
        "counts": outcome.counts,
        "shards": shards,
        "unreadable": outcome.unreadable,
        "keys": writer.keys,
        "mean": [],
        "std": [],
    }


class Outcome:
    """Everything that is known when all texts have been seen.

    Parameters
    ----------
    labels
        The classes in the order of the model's outputs.
    tokenizer
        How a text is cut, one of `ratchet.contract.TOKENIZERS`.
    """

    def __init__(self, labels: Sequence[str], tokenizer: str) -> None:
        self.labels = tuple(labels)
        self.counts: Dict[str, Dict[str, int]] = {split: dict.fromkeys(labels, 0) for split in SPLITS}
        self.unreadable: List[Dict[str, str]] = []
        self.changed: List[str] = []
        self._tokenizer = tokenizer
        self._seen: Counter = Counter()

    def take(self, passage: Passage, writer: ShardWriter) -> None:
        """Sort one text to its side, or note why it is left out."""
        if passage.changed:
            self.changed.append(passage.key)
        elif passage.reason:
            self.unreadable.append({"key": passage.key, "reason": passage.reason})
        else:
            split = split_of(passage.key)
            if split == "train":
                self._seen.update(split_tokens(passage.text, self._tokenizer))
            self.counts[split][passage.label] += 1
            writer.write(split, passage.key, self.labels.index(passage.label), passage.text.encode("utf-8"))

    def vocabulary(self, most: int) -> List[str]:
        """The tokens of the training split, the most frequent first, at most so many."""
        often = [token for token, count in self._seen.items() if count >= _LEAST_SEEN]
        return sorted(often, key=lambda token: (-self._seen[token], token))[:most]

    def check(self, options: argparse.Namespace) -> None:
        """Fail when training on this would be a waste of money."""
        sums = {label: sum(self.counts[split][label] for split in SPLITS) for label in self.labels}
        total = sum(sums.values()) + len(self.unreadable)
        refuse_changes(self.changed)
        refuse_unreadable(self.unreadable, max(1, total), options.max_unreadable_percent)
        refuse_small_classes(sums, self.labels, options.min_images_per_class)
        refuse_empty_splits(self.counts)
