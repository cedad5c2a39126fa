"""Raw data to RecordIO shards and baseline statistics: streaming, checked, byte-identical for identical input."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from ratchet.contract import CONTRACT_VERSION, SPLITS, STATISTICS_FILE, TOKENIZERS, split_of
from training.container import Arguments, Container, at_least, processors, run
from training.dataset import (
    Entry,
    Frozen,
    choose_labels,
    locate,
    read_frozen,
    read_manifest,
    refuse_changes,
    refuse_empty_splits,
    refuse_small_classes,
    refuse_unreadable,
)
from training.imagery import Unreadable, decode, encode_png, to_array
from training.pixels import Pixels, count_values
from training.records import count_labels, read_items
from training.shard import ShardWriter
from training.source import Source, open_sources
from training.tables import prepare_tables
from training.texts import prepare_texts, read_column, read_files

_AHEAD = 4  # images in memory for each processor


class Example(NamedTuple):
    """What became of one object: `png` and `counts` of its pixels, or why there are none."""

    key: str
    label: str
    png: bytes = b""
    counts: Optional[np.ndarray] = None
    changed: bool = False
    reason: str = ""


class Outcome:
    """Everything that is known when all objects have been seen.

    Parameters
    ----------
    labels
        The classes in the order of the model's outputs.
    channels
        1 for grey, 3 for RGB.
    """

    def __init__(self, labels: Tuple[str, ...], channels: int) -> None:
        self.labels = labels
        self.counts: Dict[str, Dict[str, int]] = {split: dict.fromkeys(labels, 0) for split in SPLITS}
        self.pixels = Pixels(channels)
        self.changed: List[str] = []
        self.unreadable: List[Dict[str, str]] = []

    def take(self, example: Example, writer: ShardWriter) -> None:
        """Sort one example to its side, or note why it is left out."""
        key, label = example.key, example.label
        if example.changed:
            self.changed.append(key)
        elif example.counts is None:
            self.unreadable.append({"key": key, "reason": example.reason})
        else:
            split = split_of(key)
            if split == "train":
                self.pixels.add(example.counts)
            self.counts[split][label] += 1
            writer.write(split, key, self.labels.index(label), example.png)

    def check(self, total: int, options: argparse.Namespace) -> None:
        """Fail when training on this would be a waste of money; `total` counts the manifest's objects."""
        refuse_changes(self.changed)
        refuse_unreadable(self.unreadable, total, options.max_unreadable_percent)
        sums = {label: sum(self.counts[split][label] for split in SPLITS) for label in self.labels}
        refuse_small_classes(sums, self.labels, options.min_images_per_class)
        refuse_empty_splits(self.counts)


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = Arguments(__doc__)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--height", type=at_least(1, int), default=224)
    parser.add_argument("--width", type=at_least(1, int), default=224)
    parser.add_argument("--labels", default="", help="comma-separated, in the order of the outputs")
    parser.add_argument("--min-images-per-class", type=at_least(1, int), default=1)
    parser.add_argument("--max-unreadable-percent", type=at_least(0, float), default=0.0)
    parser.add_argument("--names", choices=("keys", "copies"), default="keys", help="how the dataset's files are named")
    parser.add_argument("--format", choices=("images", "recordio", "csv", "text"), default="images")
    parser.add_argument("--label-column", default="label", help="of tables")
    parser.add_argument("--features", default="", help="columns of tables to learn from; comma-separated")
    parser.add_argument("--delimiter", default=",", help="of tables")
    parser.add_argument("--text-column", default="", help="of tables whose examples are texts")
    parser.add_argument("--tokenizer", choices=TOKENIZERS, default="words", help="what a text is cut into")
    parser.add_argument("--length", type=at_least(1, int), default=100, help="tokens of a text that are looked at")
    parser.add_argument("--vocabulary", type=at_least(1, int), default=20_000, help="at most so many tokens are known")
    return parser.parse_args(arguments)


def read_example(source: Path, entry: Entry, options: argparse.Namespace) -> Example:
    """Check one object against the manifest, decode it and encode it anew."""
    data = read_frozen(locate(source, entry, options.names), entry)
    if data is None:
        return Example(entry.key, entry.label, changed=True)
    return make_example(entry.key, entry.label, data, options)


def make_example(key: str, label: str, data: bytes, options: argparse.Namespace) -> Example:
    """Decode an image and encode it anew."""
    try:
        image = decode(data, options.channels, options.height, options.width)
    except Unreadable as error:
        return Example(key, label, reason=str(error))
    return Example(key, label, encode_png(image), count_values(to_array(image)))


def map_in_order(function: Callable[[Any], Example], entries: Iterable[Any], workers: int) -> Iterator[Example]:
    """Work on some entries at once; what comes out is in order, and only a few images are in memory."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: Deque[Future] = deque()
        for entry in entries:
            waiting.append(pool.submit(function, entry))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def prepare(source: Path, frozen: Frozen, target: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Write the shards and their statistics into `target`; return the statistics.

    Raises
    ------
    DataProblem
        When files differ from the manifest, too many cannot be read, or there are too few.
    """
    target.mkdir(parents=True, exist_ok=True)
    if options.format == "csv":
        described = prepare_csv(open_sources(source, frozen, options.names, ".csv"), target, options)
    elif options.format == "text":
        passages = read_files(source, frozen, options.names)
        described = prepare_texts(frozen.count(), passages, target, options)
    elif options.format == "recordio":
        records = open_sources(source, frozen, options.names, ".rec")
        found = count_labels(records, options.labels)
        items = read_items(records, options.labels)
        examples = map_in_order(lambda item: make_example(*item, options), items, processors())
        described = prepare_images(found, examples, target, options)
    else:
        examples = map_in_order(lambda entry: read_example(source, entry, options), frozen.entries, processors())
        described = prepare_images(frozen.count(), examples, target, options)
    statistics = {
        "contract_version": CONTRACT_VERSION,
        "dataset": frozen.dataset,
        "dataset_version": frozen.version,
        "image_count": sum(shard["count"] for shard in described["shards"].values()),
        **described,
    }
    (target / STATISTICS_FILE).write_text(json.dumps(statistics, sort_keys=True), "utf-8")
    return statistics


def prepare_csv(sources: Sequence[Source], target: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Write the shards of tables into `target`, rows of numbers or texts; return what the statistics say of them."""
    if not options.text_column:
        return prepare_tables(sources, target, options)
    found = Counter(passage.label for passage in read_column(sources, options) if passage.label)
    return prepare_texts(found, read_column(sources, options), target, options)


def prepare_images(
    found: Counter, examples: Iterator[Example], target: Path, options: argparse.Namespace
) -> Dict[str, Any]:
    """Write the shards of images into `target`; return what the statistics say of them.

    Parameters
    ----------
    found
        How many examples each class has, readable or not.
    """
    labels = choose_labels(found, options.labels)
    refuse_small_classes(found, labels, options.min_images_per_class)
    outcome, writer = Outcome(labels, options.channels), ShardWriter(target)
    try:
        for example in examples:
            outcome.take(example, writer)
    finally:
        shards = writer.close()
    outcome.check(sum(found.values()), options)
    return {
        "labels": labels,
        "image": {"channels": options.channels, "height": options.height, "width": options.width},
        "counts": outcome.counts,
        "shards": shards,
        "unreadable": outcome.unreadable,
        "keys": writer.keys,
        **outcome.pixels.describe(),
    }


def main() -> None:
    """Prepare the job's dataset."""
    container, options = Container(), parse()
    frozen = read_manifest(container.channel("manifest"), labelled=options.format in ("images", "text"))
    statistics = prepare(container.channel("dataset"), frozen, container.model_folder, options)
    sizes = ", ".join("%s %d" % (split, statistics["shards"][split]["count"]) for split in SPLITS)
    print(
        "prepared %d examples in %d classes (%s), %d unreadable"
        % (statistics["image_count"], len(statistics["labels"]), sizes, len(statistics["unreadable"])),
        flush=True,
    )


if __name__ == "__main__":
    run(main)
