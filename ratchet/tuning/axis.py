"""The axes of a study's plots: where on a line from 0 to 1 a value lies, and what is written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.tuning.study import tell_value
from ratchet.tuning_spec import Hyperparameter

_LOGARITHMIC_FROM = 50.0
_TICKS = 5


@dataclass(frozen=True)
class Axis:
    """One line of values: categories in order, or numbers from `low` to `high`."""

    name: str
    categories: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    logarithmic: bool = False

    def place(self, value: Hyperparameter) -> float:
        """The share of the way along the axis."""
        if self.categories:
            last = len(self.categories) - 1
            return self.categories.index(tell_value(value)) / last if last else 0.5
        low, high = self._scale(self.low), self._scale(self.high)
        return (self._scale(float(value)) - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Places along the axis with what stands there."""
        if self.categories:
            return [(self.place(name), name) for name in self.categories]
        if self.low == self.high:
            return [(0.5, tell_value(self.low))]
        shares = [step / (_TICKS - 1) for step in range(_TICKS)]
        return [(share, f"{self._value(share):.3g}") for share in shares]

    def _scale(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value

    def _value(self, share: float) -> float:
        low, high = self._scale(self.low), self._scale(self.high)
        found = low + share * (high - low)
        return math.exp(found) if self.logarithmic else found


def find_axis(name: str, values: Sequence[Hyperparameter]) -> Axis:
    """The axis that some values of a hyperparameter ask for; numbers that differ by far get a logarithmic one."""
    if any(isinstance(value, str | bool) for value in values):
        return Axis(name, tuple(sorted({tell_value(value) for value in values})))
    low, high = min(map(float, values)), max(map(float, values))
    return Axis(name, (), low, high, logarithmic=low > 0 and high / low >= _LOGARITHMIC_FROM)
