"""Raw images to RecordIO shards and baseline statistics: streaming, checked, byte-identical for identical input."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from ratchet.contract import SPLITS, STATISTICS_FILE, split_of
from training.container import Container, DataProblem, run, set_threads
from training.dataset import (
    choose_labels,
    describe,
    read_checked,
    read_manifest,
    refuse_changes,
    refuse_small_classes,
)
from training.imagery import Unreadable, decode, encode_png

_BINS = 32
_SHOWN = 5
_LEAST_STD = 1.0


class Pixels:
    """Running mean, deviation and histogram of each channel, over pixels from 0 to 255."""

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.total = np.zeros(channels)
        self.squares = np.zeros(channels)
        self.histogram = np.zeros((channels, _BINS), dtype=np.int64)

    def add(self, array: np.ndarray) -> None:
        """Take in one image of shape (height, width, channels)."""
        flat = array.reshape(-1, array.shape[-1]).astype(np.float64)
        self.count += flat.shape[0]
        self.total += flat.sum(axis=0)
        self.squares += (flat**2).sum(axis=0)
        for channel in range(flat.shape[1]):
            self.histogram[channel] += np.histogram(flat[:, channel], bins=_BINS, range=(0, 256))[0]

    def describe(self) -> Dict[str, Any]:
        """Mean, standard deviation and histogram, in pixel units."""
        mean = self.total / max(1, self.count)
        variance = np.maximum(0, self.squares / max(1, self.count) - mean**2)
        # A constant channel must not be divided by nothing.
        std = np.maximum(_LEAST_STD, np.sqrt(variance))
        return {"mean": mean.tolist(), "std": std.tolist(), "histogram": self.histogram.tolist()}


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--height", type=int, default=224)
    parser.add_argument("--width", type=int, default=224)
    parser.add_argument("--labels", default="", help="comma-separated, in the order of the outputs")
    parser.add_argument("--min-images-per-class", type=int, default=1)
    parser.add_argument("--max-unreadable-percent", type=float, default=0.0)
    return parser.parse_args(arguments)


def prepare(source: Path, manifest: Path, target: Path, options: argparse.Namespace) -> Dict[str, Any]:
    """Write the shards and their statistics into `target`; return the statistics."""
    from training.shard import ShardWriter

    entries = read_manifest(manifest)
    if not entries:
        raise DataProblem("the dataset is empty: upload images as <label>/<file>")
    labels = choose_labels(entries, options.labels)
    counts: Dict[str, Dict[str, int]] = {split: dict.fromkeys(labels, 0) for split in SPLITS}
    pixels = Pixels(options.channels)
    changed: List[str] = []
    unreadable: List[Dict[str, str]] = []
    target.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(target)
    for entry in entries:
        data, same = read_checked(source, entry)
        if not same:
            changed.append(entry.key)
            continue
        try:
            image = decode(data, options.channels, options.height, options.width)
        except Unreadable as error:
            unreadable.append({"key": entry.key, "reason": str(error)})
            continue
        split = split_of(entry.key)
        if split == "train":
            pixels.add(np.atleast_3d(np.asarray(image)))
        counts[split][entry.label] += 1
        writer.write(split, entry.key, labels.index(entry.label), encode_png(image))
    writer.close()
    refuse_changes(changed)
    refuse_unreadable(unreadable, len(entries), options.max_unreadable_percent)
    refuse_small_classes(
        {label: sum(counts[split][label] for split in SPLITS) for label in labels}, options.min_images_per_class
    )
    refuse_empty_splits(counts)
    image_shape = {"channels": options.channels, "height": options.height, "width": options.width}
    statistics = {"labels": labels, "counts": counts, "image": image_shape, "unreadable": unreadable}
    statistics.update(pixels.describe())
    statistics["keys"] = writer.keys
    (target / STATISTICS_FILE).write_text(json.dumps(statistics, sort_keys=True), "utf-8")
    return statistics


def refuse_unreadable(unreadable: List[Dict[str, str]], total: int, tolerated_percent: float) -> None:
    """Fail when more images cannot be read than are tolerated."""
    share = 100.0 * len(unreadable) / total
    if share > tolerated_percent:
        shown = "; ".join("%(key)s (%(reason)s)" % item for item in unreadable[:_SHOWN])
        raise DataProblem(
            "%d of %d images cannot be read (%.2g %%, tolerated %.2g %%): %s. Replace or remove them"
            % (len(unreadable), total, share, tolerated_percent, shown)
        )


def refuse_empty_splits(counts: Dict[str, Dict[str, int]]) -> None:
    """Fail when the hash of the keys leaves a side without any example."""
    for split in SPLITS:
        if not sum(counts[split].values()):
            raise DataProblem("no example falls on the side %r: the dataset is too small, add images" % split)


def main() -> None:
    """Prepare the job's dataset."""
    container = Container()
    statistics = prepare(container.channel("dataset"), container.channel("manifest"), container.model_folder, parse())
    print(describe(statistics), flush=True)


if __name__ == "__main__":
    set_threads()
    run(main)
