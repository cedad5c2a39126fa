"""The weights in an MXNet `.params` file, read without MXNet, and how far two sets of them are apart.

The form is that of `NDArray::Save` and `NDArray::Load` in MXNet 1.5 to 1.9, src/ndarray/ndarray.cc: little-endian.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.errors import ArtefactError

_LIST_MAGIC = 0x112
_ARRAY_MAGICS = frozenset({0xF993FAC9, 0xF993FACA})  # with and without numpy's idea of a shape
_DENSE = 0
_LETTERS = "fdeBibq"  # by MXNet's type flag, 0 to 6: struct's letters
_MOST_DIMENSIONS = 32
_HALF = "e"
_FLOATS = frozenset({"f", "d", _HALF})


@dataclass(frozen=True)
class Weights:
    """One array: its shape, the letter of its type in `struct`, and its bytes."""

    shape: tuple[int, ...]
    letter: str
    raw: bytes


@dataclass(frozen=True)
class Distance:
    """How far two sets of weights are apart.

    Attributes
    ----------
    identical
        Bit for bit.
    largest
        The largest absolute difference of two numbers; infinite when a name or a shape differs, or a number is none.
    where
        The name of the array where that is; empty when they are identical.
    """

    identical: bool
    largest: float
    where: str


def measure_distance(left: Mapping[str, Weights], right: Mapping[str, Weights]) -> Distance:
    """Compare two models' weights by name."""
    strange = sorted(set(left) ^ set(right))
    if strange:
        return Distance(identical=False, largest=math.inf, where=strange[0])
    apart = {name: _apart(left[name], right[name]) for name in left if left[name] != right[name]}
    if not apart:
        return Distance(identical=True, largest=0.0, where="")
    where = max(apart, key=lambda name: apart[name])
    return Distance(identical=False, largest=apart[where], where=where)


def read_weights(content: bytes) -> dict[str, Weights]:
    """Every array of a `.params` file by its name.

    Raises
    ------
    ArtefactError
        When the bytes are not of that form; nothing is guessed.
    """
    reader = _Reader(content)
    try:
        if reader.take("QQ")[0] != _LIST_MAGIC:
            raise ArtefactError("the weights are in no form that MXNet 1.9 writes: its magic number is missing")
        arrays = [_read_array(reader) for _ in range(reader.count())]
        names = [reader.bytes(reader.count()).decode("utf-8") for _ in range(reader.count())]
    except (struct.error, UnicodeDecodeError) as error:
        raise ArtefactError(f"the weights end early or are damaged: {error}") from error
    if len(names) != len(arrays) or len(set(names)) != len(names):
        raise ArtefactError(f"the weights hold {len(arrays)} arrays under {len(set(names))} names")
    return dict(zip(names, arrays, strict=True))


def find_strange(weights: Mapping[str, Weights]) -> str:
    """Name of the first array that holds an infinity or something that is no number; empty when there is none."""
    return next((name for name, array in weights.items() if array.letter in _FLOATS and not _is_finite(array)), "")


def _is_finite(array: Weights) -> bool:
    if array.letter == _HALF:
        return all(map(math.isfinite, struct.unpack(f"<{math.prod(array.shape)}{_HALF}", array.raw)))
    numbers = memoryview(array.raw).cast("f" if array.letter == "f" else "d")
    # A sum is finite when all its numbers are; the other way round only a sum of huge ones may not be.
    return math.isfinite(sum(numbers)) or all(map(math.isfinite, numbers))


def _read_array(reader: _Reader) -> Weights:
    magic, storage, dimensions = reader.take("Iii")
    if magic not in _ARRAY_MAGICS or storage != _DENSE or not 0 < dimensions <= _MOST_DIMENSIONS:
        raise ArtefactError("the weights hold an array that is not dense, or of an unknown version")
    shape = reader.take(f"{dimensions}q")
    _, _, flag = reader.take("iii")  # device and its number: where it was saved
    if not 0 <= flag < len(_LETTERS) or min(shape) < 0:
        raise ArtefactError(f"the weights hold an array of type {flag} and shape {shape}")
    letter = _LETTERS[flag]
    return Weights(tuple(shape), letter, reader.bytes(math.prod(shape) * struct.calcsize("<" + letter)))


def _apart(left: Weights, right: Weights) -> float:
    if (left.shape, left.letter) != (right.shape, right.letter):
        return math.inf
    form = f"<{math.prod(left.shape)}{left.letter}"
    pairs = zip(struct.unpack(form, left.raw), struct.unpack(form, right.raw), strict=True)
    differences = (abs(a - b) for a, b in pairs)
    return max((math.inf if math.isnan(difference) else difference for difference in differences), default=0.0)


class _Reader:
    """Takes one thing after another, and never more than there is."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._at = 0

    def take(self, form: str) -> tuple[int, ...]:
        found: tuple[int, ...] = struct.unpack_from("<" + form, self._content, self._at)
        self._at += struct.calcsize("<" + form)
        return found

    def count(self) -> int:
        (found,) = self.take("Q")
        if found > len(self._content) - self._at:
            raise struct.error(f"{found} things do not fit into what is left")
        return found

    def bytes(self, length: int) -> bytes:
        if length > len(self._content) - self._at:
            raise struct.error(f"{length} bytes do not fit into what is left")
        found = bytes(self._content[self._at : self._at + length])
        self._at += length
        return found
