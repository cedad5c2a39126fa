"""The hyperparameters that a tuning job searches: their ranges, their scales, and how their values are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# AWS does not say what Auto chooses. Here, positive numbers whose largest is this many times the smallest.
_AUTO_LOGARITHMIC_FROM = 1000.0


class Scaling(StrEnum):
    """How a range is searched, in SageMaker's words."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


@dataclass(frozen=True)
class Number:
    """A range of numbers, both ends included.

    Attributes
    ----------
    name
        The hyperparameter.
    low, high
        The ends.
    scaling
        Linear, logarithmic, or logarithmic in the distance to 1.
    whole
        Whether only whole numbers count.
    """

    name: str
    low: float
    high: float
    scaling: Scaling
    whole: bool

    def distribution(self) -> Any:
        """Return Optuna's distribution, of the distance to 1 for a reverse logarithmic range."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.scaling is Scaling.LOGARITHMIC)
        if self.scaling is Scaling.REVERSE_LOGARITHMIC:
            return FloatDistribution(1.0 - self.high, 1.0 - self.low, log=True)
        return FloatDistribution(self.low, self.high, log=self.scaling is Scaling.LOGARITHMIC)

    def write(self, found: Any) -> str:
        """Return the text that a training job gets for what the distribution gave."""
        if self.whole:
            return str(int(found))
        value = 1.0 - found if self.scaling is Scaling.REVERSE_LOGARITHMIC else float(found)
        return repr(min(max(value, self.low), self.high))

    def read(self, text: str) -> Any:
        """Return what the distribution would have given; `ValueError` for what lies outside of the range."""
        value = int(text) if self.whole else float(text)
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name}={text} lies outside of {self.low} to {self.high}")
        return 1.0 - value if self.scaling is Scaling.REVERSE_LOGARITHMIC else value


@dataclass(frozen=True)
class Choice:
    """A hyperparameter with a few values."""

    name: str
    values: tuple[str, ...]

    def distribution(self) -> Any:
        """Return Optuna's distribution."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.values)

    def write(self, found: Any) -> str:
        """Return the text that a training job gets."""
        return str(found)

    def read(self, text: str) -> Any:
        """Return the value; `ValueError` for one that is none of ours."""
        if text not in self.values:
            raise ValueError(f"{self.name}={text} is none of {', '.join(self.values)}")
        return text


Parameter = Number | Choice


def read_ranges(ranges: Mapping[str, Any]) -> list[Parameter]:
    """Return the hyperparameters of ParameterRanges, by kind and in the order of the request.

    Raises
    ------
    ValueError
        For a range that AWS refuses; the message names it.
    """
    found: list[Parameter] = [
        *(_number(entry, whole=False) for entry in ranges.get("ContinuousParameterRanges") or []),
        *(_number(entry, whole=True) for entry in ranges.get("IntegerParameterRanges") or []),
        *(Choice(entry["Name"], tuple(entry["Values"])) for entry in ranges.get("CategoricalParameterRanges") or []),
    ]
    names = [parameter.name for parameter in found]
    if not found:
        raise ValueError("No parameter ranges were given: there is nothing to tune.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"The hyperparameter {twice[0]} has more than one range.")
    for parameter in found:
        if isinstance(parameter, Choice) and len(set(parameter.values)) < len(parameter.values):
            raise ValueError(f"The values of the categorical hyperparameter {parameter.name} must be unique.")
    return found


def _number(entry: Mapping[str, str], *, whole: bool) -> Number:
    name = entry["Name"]
    try:
        low, high = (int(entry[end]) if whole else float(entry[end]) for end in ("MinValue", "MaxValue"))
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise ValueError(
            f"MinValue and MaxValue of {name} must be {kind}, not {entry['MinValue']!r} and {entry['MaxValue']!r}."
        ) from None
    if not (math.isfinite(low) and math.isfinite(high)) or low > high:
        raise ValueError(f"MinValue of {name} must not be greater than its MaxValue: {low} and {high} were given.")
    return Number(name, low, high, _scaling(name, low, high, entry.get("ScalingType"), whole=whole), whole)


def _scaling(name: str, low: float, high: float, asked: str | None, *, whole: bool) -> Scaling:
    scaling = Scaling(asked or Scaling.AUTO)
    if scaling is Scaling.AUTO:
        wide = low > 0 and high / low >= _AUTO_LOGARITHMIC_FROM
        return Scaling.LOGARITHMIC if wide else Scaling.LINEAR
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        raise ValueError(f"Logarithmic scaling works only for ranges above 0: {name} begins at {low}.")
    if scaling is Scaling.REVERSE_LOGARITHMIC and (whole or not 0 <= low <= high < 1):
        raise ValueError(
            f"ReverseLogarithmic scaling works only for continuous ranges within 0 <= x < 1: {name} is {low} to {high}."
        )
    return scaling
