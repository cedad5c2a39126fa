"""Batches from RecordIO shards: decoded once by MXNet's threads and held as bytes, or decoded anew each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import mxnet as mx
import numpy as np
from mxnet import gluon

from ratchet.contract import Signature
from training.shard import index_path, shard_path

# A split that takes more bytes is decoded anew each epoch.
HELD_BYTES = 1024**3
_SHIFT = 2  # pixels
_READ = 256  # examples at once
# The same for what is not held. No mirror image: digits, letters and signs mean something else the other way round.
_LIGHT = {"pad": _SHIFT, "rand_crop": True, "fill_value": 0}

Change = Callable[[np.ndarray], np.ndarray]


class Held:
    """A split in memory.

    Parameters
    ----------
    data
        Shape (examples, …), of a type that the network's device gets as it is.
    labels
        Class numbers, shape (examples,), float32.
    """

    def __init__(self, data: np.ndarray, labels: np.ndarray) -> None:
        self._data = data
        self._labels = labels

    def ordered(self, size: int) -> Iterator[Any]:
        """Batches in the order of the shard; the last one is filled up from the start."""
        return self._cut(np.arange(len(self._labels)), size, None)

    def shuffled(self, size: int, chance: np.random.RandomState, change: Optional[Change] = None) -> Iterator[Any]:
        """Batches in an order that chance gives, each changed as asked for."""
        return self._cut(chance.permutation(len(self._labels)), size, change)

    def _cut(self, order: np.ndarray, size: int, change: Optional[Change]) -> Iterator[Any]:
        for start in range(0, len(order), size):
            places = order[start : start + size]
            filling = size - len(places)
            places = np.concatenate([places, np.resize(order, filling)]) if filling else places
            data = self._data[places] if change is None else change(self._data[places])
            yield mx.io.DataBatch(data=[adopt(data)], label=[adopt(self._labels[places])], pad=filling)


def adopt(array: np.ndarray) -> Any:
    """An array that nobody else has, as MXNet's own, where it lies.

    Not copied as `mx.nd.array` does it: that waits in the engine's queue behind all that the step before left there.
    """
    return mx.nd.from_numpy(np.ascontiguousarray(array), zero_copy=True)


class Batches:
    """Makes iterators over the splits of prepared images.

    Pixels come as bytes, in (batch, channels, height, width); `make_scaling` makes on the device of them what the
    network is fed.

    Parameters
    ----------
    folder
        Holds the shards.
    signature
        Shape and normalisation of the network's input.
    size
        Examples in a batch.
    threads
        How many threads decode.
    held_bytes
        How much of a split may be in memory.
    """

    def __init__(
        self, folder: Path, signature: Signature, *, size: int, threads: int, held_bytes: int = HELD_BYTES
    ) -> None:
        self.folder = folder
        self.signature = signature
        self.size = size
        self.threads = threads
        self._held_bytes = held_bytes
        self._held: Dict[str, Held] = {}

    def shuffled(self, split: str, seed: int, *, augment: str) -> Iterator[Any]:
        """The split in an order that depends on the seed alone; the last batch is filled up from the start."""
        held = self._hold(split)
        if held is None:
            settings: Dict[str, Any] = {"shuffle": True, "seed": seed, "seed_aug": seed, "shuffle_chunk_seed": seed}
            return self._stream(split, dict(settings, **(_LIGHT if augment == "light" else {})))
        chance = np.random.RandomState(seed % 2**32)
        return held.shuffled(self.size, chance, _shift_by(chance) if augment == "light" else None)

    def ordered(self, split: str) -> Iterator[Any]:
        """The split as it was written."""
        held = self._hold(split)
        return self._stream(split, {}) if held is None else held.ordered(self.size)

    def make_scaling(self) -> Any:
        """A block that turns a batch on its device into what the network is fed."""
        return Scaling(self.signature)

    def _example_bytes(self) -> int:
        return int(np.prod(self.signature.input_shape))

    def _hold(self, split: str) -> Optional[Held]:
        """The split in memory, read the first time; None when it is too large."""
        if split not in self._held:
            count = index_path(self.folder, split).read_bytes().count(b"\n")
            if count * self._example_bytes() > self._held_bytes:
                return None
            self._held[split] = self._read(split, count)
        return self._held[split]

    def _read(self, split: str, count: int) -> Held:
        data = np.empty((count, *self.signature.input_shape), dtype=np.uint8)
        labels = np.empty((count,), dtype=np.float32)
        start = 0
        for batch in self._open(split, min(_READ, count), {}):
            real = batch.data[0].shape[0] - batch.pad
            data[start : start + real] = batch.data[0].asnumpy()[:real]
            labels[start : start + real] = batch.label[0].asnumpy()[:real]
            start += real
        return Held(data, labels)

    def _stream(self, split: str, settings: Dict[str, Any]) -> Iterator[Any]:
        return iter(self._open(split, self.size, settings))

    def _open(self, split: str, size: int, settings: Dict[str, Any]) -> Any:
        return mx.io.ImageRecordUInt8Iter(
            path_imgrec=str(shard_path(self.folder, split)),
            path_imgidx=str(index_path(self.folder, split)),
            data_shape=self.signature.input_shape,
            batch_size=size,
            preprocess_threads=self.threads,
            device_id=-1,  # plain memory: a hybridized network refuses pinned arrays
            verbose=False,
            **settings,
        )


class Scaling(gluon.HybridBlock):
    """Normalises pixels where the network is: a quarter of the bytes goes there, and its threads do the work."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        shape = (1, signature.channels, 1, 1)
        mean, std = (np.float32(values).reshape(shape) for values in (signature.mean, signature.std))
        self.mean = self.params.get_constant("mean", mean)
        self.factor = self.params.get_constant("factor", np.float32(signature.scale) / std)

    def hybrid_forward(self, F: Any, data: Any, mean: Any, factor: Any) -> Any:
        """From bytes to normalised float32."""
        return F.broadcast_mul(F.broadcast_sub(F.cast(data, dtype="float32"), mean), factor)


def _shift_by(chance: np.random.RandomState) -> Change:
    """Shift each image by up to two pixels; what comes in is black."""

    def shift(images: np.ndarray) -> np.ndarray:
        count, _, height, width = images.shape
        padded = np.pad(images, ((0, 0), (0, 0), (_SHIFT, _SHIFT), (_SHIFT, _SHIFT)))
        places = chance.randint(0, 2 * _SHIFT + 1, size=(count, 2))
        return np.stack(
            [image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, places)]
        )

    return shift


def share(batch: Any, contexts: List[Any]) -> Iterator[Tuple[Any, Any, Any, int]]:
    """Split a batch among devices: data, labels, a 1 for each example and a 0 for filling, and how many examples."""
    examples = batch.data[0].shape[0] - batch.pad
    parts = [gluon.utils.split_and_load(array[0], contexts, even_split=False) for array in (batch.data, batch.label)]
    for data, label in zip(*parts):
        real = max(0, min(examples, data.shape[0]))
        examples -= real
        mask = mx.nd.ones(label.shape, ctx=label.context)
        if real < data.shape[0]:
            mask[real:] = 0
        yield data, label, mask, real
