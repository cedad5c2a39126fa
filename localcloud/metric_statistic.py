"""Statistics of a metric: from an aggregate of samples to one number, under the names that CloudWatch gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from localcloud.metric import Aggregate

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
_SIMPLE: dict[str, Callable[[Aggregate], float]] = {
    "SampleCount": lambda samples: samples.count,
    "Sum": lambda samples: samples.total,
    "Average": lambda samples: samples.total / samples.count,
    "Minimum": lambda samples: samples.minimum,
    "Maximum": lambda samples: samples.maximum,
}


def read_percentile(statistic: str) -> float | None:
    """Return 0 to 100 for `p0` to `p100`, None for any other statistic."""
    found = _PERCENTILE.fullmatch(statistic)
    return float(found.group(1)) if found else None


def is_statistic(statistic: str) -> bool:
    """Whether there is such a statistic here."""
    return statistic in _SIMPLE or read_percentile(statistic) is not None


def compute(statistic: str, samples: Aggregate) -> float | None:
    """Return a statistic; None without samples, and for a percentile of samples that came as statistic sets.

    Raises
    ------
    ValueError
        For a statistic that does not exist here.
    """
    if samples.count <= 0:
        return None
    if statistic in _SIMPLE:
        return _SIMPLE[statistic](samples)
    share = read_percentile(statistic)
    if share is None:
        raise ValueError(f"there is no statistic {statistic}")
    return None if samples.unvalued else _percentile(samples, share)


def group(buckets: Iterable[tuple[int, Aggregate]], *, start: float, end: float, period: int) -> dict[float, Aggregate]:
    """Sort buckets into periods that begin at `start`; the keys are the periods' own starts.

    Parameters
    ----------
    start, end
        Seconds since the epoch; the end is not included.
    period
        In seconds.
    """
    found: dict[float, Aggregate] = {}
    for at, bucket in buckets:
        if start <= at < end:
            begins = start + (at - start) // period * period
            found.setdefault(begins, Aggregate()).merge(bucket)
    return dict(sorted(found.items()))


def _percentile(samples: Aggregate, share: float) -> float:
    """Interpolate between the two samples next to the rank, as most tools do; CloudWatch does not say what it does."""
    ordered = sorted(samples.values.items())
    rank = share / 100 * (samples.count - 1)
    low = _at_rank(ordered, int(rank))
    high = _at_rank(ordered, int(rank) + 1)
    return low + (high - low) * (rank - int(rank))


def _at_rank(ordered: list[tuple[float, float]], rank: int) -> float:
    passed = 0.0
    for value, count in ordered:
        passed += count
        if passed > rank:
            return value
    return ordered[-1][0]
