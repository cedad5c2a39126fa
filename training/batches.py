"""Batches from RecordIO shards: decoded, shuffled and normalised by MXNet's own threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import mxnet as mx
from mxnet import gluon

from ratchet.contract import Signature
from training.shard import index_path, shard_path

# A shift of up to two pixels. No mirror image: digits, letters and signs mean something else the other way round.
_LIGHT = {"pad": 2, "rand_crop": True, "fill_value": 0}


class Batches:
    """Makes iterators over the splits of prepared data.

    Parameters
    ----------
    folder
        Holds the shards.
    signature
        Shape and normalisation of what comes out.
    size
        Examples in a batch.
    threads
        How many threads decode.
    """

    def __init__(self, folder: Path, signature: Signature, *, size: int, threads: int) -> None:
        self.folder = folder
        self.signature = signature
        self.size = size
        self.threads = threads

    def shuffled(self, split: str, seed: int, *, augment: str) -> Any:
        """The split in an order that depends on the seed alone; the last batch is filled up from the start."""
        settings: Dict[str, Any] = {"shuffle": True, "seed": seed, "seed_aug": seed, "shuffle_chunk_seed": seed}
        return self._iterate(split, dict(settings, **(_LIGHT if augment == "light" else {})))

    def ordered(self, split: str) -> Any:
        """The split as it was written."""
        return self._iterate(split, {})

    def _iterate(self, split: str, settings: Dict[str, Any]) -> Any:
        signature = self.signature
        for name, mean, std in zip("rgb", signature.mean, signature.std):
            settings["mean_" + name] = mean
            settings["std_" + name] = std
        return mx.io.ImageRecordIter(
            path_imgrec=str(shard_path(self.folder, split)),
            path_imgidx=str(index_path(self.folder, split)),
            data_shape=(signature.channels, signature.height, signature.width),
            batch_size=self.size,
            scale=signature.scale,
            preprocess_threads=self.threads,
            device_id=-1,  # plain memory: a hybridized network refuses pinned arrays
            verbose=False,
            **settings,
        )


def share(batch: Any, contexts: List[Any]) -> Iterator[Tuple[Any, Any, int]]:
    """Split a batch among devices: data, labels, and how many of them are examples rather than filling."""
    examples = batch.data[0].shape[0] - batch.pad
    parts = [gluon.utils.split_and_load(array[0], contexts, even_split=False) for array in (batch.data, batch.label)]
    for data, label in zip(*parts):
        real = max(0, min(examples, data.shape[0]))
        examples -= real
        yield data, label, real
