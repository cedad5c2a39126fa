"""Decides an alarm's state from its last datapoints, by CloudWatch's rules for M out of N and for missing data.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html has the tables of examples.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# So many datapoints older than those that count are looked at, in place of missing ones.
SPARE_DATAPOINTS = 2


class AlarmState(StrEnum):
    """States of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """What a missing datapoint is taken for."""

    MISSING = "missing"
    IGNORE = "ignore"
    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"


@dataclass(frozen=True)
class Comparison:
    """How a datapoint is held against the threshold; `words` is what reasons say."""

    breaches: Callable[[float, float], bool]
    words: str


COMPARISONS = {
    "GreaterThanOrEqualToThreshold": Comparison(operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": Comparison(operator.gt, "greater than"),
    "LessThanThreshold": Comparison(operator.lt, "less than"),
    "LessThanOrEqualToThreshold": Comparison(operator.le, "less than or equal to"),
}


@dataclass(frozen=True)
class Datapoint:
    """One period: where it begins, in seconds since the epoch, and its value; None where there is none."""

    at_seconds: float
    value: float | None
    sample_count: float = 0.0


@dataclass(frozen=True)
class Condition:
    """What an alarm asks of its datapoints: `datapoints_to_alarm` of `evaluation_periods` must breach."""

    comparison: Comparison
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: Missing = Missing.MISSING

    def breaches(self, value: float) -> bool:
        """Whether a value is beyond the threshold."""
        return self.comparison.breaches(value, self.threshold)

    @property
    def range_datapoints(self) -> int:
        """How many periods are looked at."""
        return self.evaluation_periods + SPARE_DATAPOINTS


@dataclass(frozen=True)
class Finding:
    """What an evaluation came to.

    Attributes
    ----------
    state
        None when the state stays as it is.
    evaluated
        The datapoints that counted, the newest first; missing ones among them only where they were filled.
    filled
        How many missing datapoints were taken for something.
    """

    state: AlarmState | None
    evaluated: tuple[Datapoint, ...] = ()
    filled: int = 0


def evaluate(condition: Condition, datapoints: Sequence[Datapoint]) -> Finding:
    """Decide from the datapoints of the evaluation range.

    Parameters
    ----------
    datapoints
        One for each period of the range without a gap, the newest first.
    """
    present = [point for point in datapoints if point.value is not None][: condition.evaluation_periods]
    filled = condition.evaluation_periods - len(present)
    breaching = [point for point in present if point.value is not None and condition.breaches(point.value)]
    counted = tuple(present)
    if filled > 0 and condition.missing is Missing.BREACHING:
        is_alarm = len(breaching) + filled >= condition.datapoints_to_alarm
        return Finding(AlarmState.ALARM if is_alarm else AlarmState.OK, counted, filled)
    if len(breaching) >= condition.datapoints_to_alarm:
        return Finding(AlarmState.ALARM, counted)
    if filled == 0:
        return Finding(AlarmState.OK, counted)
    if condition.missing is Missing.NOT_BREACHING:
        return Finding(AlarmState.OK, counted, filled)
    if len(breaching) < len(present):
        return Finding(AlarmState.OK, counted)
    return _without_contradiction(condition, datapoints, counted, filled)


def _without_contradiction(
    condition: Condition, datapoints: Sequence[Datapoint], counted: tuple[Datapoint, ...], filled: int
) -> Finding:
    """Too few datapoints, and all that there are breach: an old one speaks for itself, a fresh one may stand alone."""
    if condition.missing is Missing.IGNORE:
        return Finding(None, counted)
    if not counted:
        return Finding(AlarmState.INSUFFICIENT_DATA, (), filled)
    oldest = datapoints.index(counted[-1]) + 1
    return Finding(AlarmState.ALARM if oldest >= condition.datapoints_to_alarm else None, counted)
