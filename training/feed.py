"""From an example's bytes in a shard to what a network is fed, as a signature says: images, rows, texts."""

from __future__ import annotations

from typing import Callable, List, Sequence

import numpy as np

from ratchet.contract import Signature, number_tokens, number_vocabulary
from training.container import DataProblem
from training.imagery import decode, to_array

Feeder = Callable[[bytes], np.ndarray]


def make_feeder(signature: Signature, columns: Sequence[str] = ()) -> Feeder:
    """What turns an example's bytes into an array of the signature's `input_shape`, float32.

    Parameters
    ----------
    columns
        The columns that rows have, where they are not the signature's own in its order.

    Raises
    ------
    DataProblem
        When the columns lack one of the signature's.
    """
    return {"table": _feed_rows, "text": _feed_texts}.get(signature.kind, _feed_images)(signature, columns)


def make_arranger(signature: Signature, columns: Sequence[str]) -> Feeder:
    """What turns a row's bytes into its values in the order of the signature's columns; see `make_feeder`."""
    places = _find(signature, columns)
    return lambda row: np.frombuffer(row, dtype="<f4")[places]


def _feed_images(signature: Signature, _: Sequence[str]) -> Feeder:
    mean, factor = np.float32(signature.mean), _factor(signature)

    def feed(png: bytes) -> np.ndarray:
        pixels = to_array(decode(png, signature.channels, signature.height, signature.width)).astype(np.float32)
        return ((pixels - mean) * factor).transpose(2, 0, 1)

    return feed


def _feed_rows(signature: Signature, columns: Sequence[str]) -> Feeder:
    mean, factor = np.float32(signature.mean), _factor(signature)
    arrange = make_arranger(signature, columns)
    return lambda row: (arrange(row) - mean) * factor


def _feed_texts(signature: Signature, _: Sequence[str]) -> Feeder:
    numbers = number_vocabulary(signature.vocabulary)

    def feed(text: bytes) -> np.ndarray:
        found = number_tokens(text.decode("utf-8"), signature.tokenizer, numbers, signature.width)
        return np.array(found, dtype=np.float32)

    return feed


def _factor(signature: Signature) -> np.ndarray:
    return np.float32(signature.scale) / np.float32(signature.std)


def _find(signature: Signature, columns: Sequence[str]) -> List[int]:
    """Where the signature's columns lie among `columns`."""
    if not columns or not signature.features:
        return list(range(signature.width))
    missing = [name for name in signature.features if name not in columns]
    if missing:
        raise DataProblem("the model needs the columns %s, the table has %s" % (missing, list(columns)))
    return [list(columns).index(name) for name in signature.features]
