"""Metrics in memory: samples are aggregated where they fall, kept coarser as they age, and forgotten in the end.

A sample costs one lock and one addition, so that traffic can be counted request by request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

# A day of minutes is what a laptop asks for; AWS keeps them for 15 days. (length of a bucket, how long it is kept)
TIERS_SECONDS = ((1, 3 * 3600), (60, 24 * 3600), (300, 15 * 24 * 3600))
SERIES_AT_MOST = 10_000
_VALUES_AT_MOST = 500
_ROUNDED_DIGITS = 2  # relative error of a percentile once there are more distinct values than are kept: below 5 %

Dimensions = tuple[tuple[str, str], ...]
Key = tuple[str, str, Dimensions]


@dataclass(frozen=True)
class Region:
    """Whose metrics: an account in a region."""

    account: str
    name: str


def order_dimensions(dimensions: Mapping[str, str]) -> Dimensions:
    """Return dimensions in the one order that identifies a metric."""
    return tuple(sorted(dimensions.items()))


@dataclass
class Aggregate:
    """Samples of one stretch of time.

    Attributes
    ----------
    values
        How often each value came; percentiles are read from them.
    unvalued
        Samples that came as a statistic set: their single values are not known.
    """

    count: float = 0.0
    total: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    values: dict[float, float] = field(default_factory=dict)
    unvalued: float = 0.0

    def add(self, value: float, count: float = 1.0) -> None:
        """Take in a value that came `count` times."""
        self.count += count
        self.total += value * count
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)
        self.values[value] = self.values.get(value, 0.0) + count
        if len(self.values) > _VALUES_AT_MOST:
            self._round_values()

    def add_set(self, *, count: float, total: float, minimum: float, maximum: float) -> None:
        """Take in a statistic set."""
        if count == 1 or minimum == maximum:
            self.add(minimum, count)
            return
        self.count += count
        self.total += total
        self.minimum = min(self.minimum, minimum)
        self.maximum = max(self.maximum, maximum)
        self.unvalued += count

    def merge(self, other: Aggregate) -> None:
        """Take in another aggregate."""
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.unvalued += other.unvalued
        for value, count in other.values.items():
            self.values[value] = self.values.get(value, 0.0) + count
        if len(self.values) > _VALUES_AT_MOST:
            self._round_values()

    def _round_values(self) -> None:
        rounded: dict[float, float] = {}
        for value, count in self.values.items():
            near = float(f"{value:.{_ROUNDED_DIGITS - 1}e}")
            rounded[near] = rounded.get(near, 0.0) + count
        self.values = rounded


class Series:
    """One metric in one unit: its buckets by their length, each by its start in seconds since the epoch."""

    def __init__(self) -> None:
        self.tiers: dict[int, dict[int, Aggregate]] = {length: {} for length, _ in TIERS_SECONDS}
        self.written_at = 0.0

    def bucket(self, at_seconds: float, length: int, now: float) -> Aggregate:
        """Return the bucket that a moment falls into; a new one makes room by rolling up the old ones."""
        start = int(at_seconds // length) * length
        tier = self.tiers[length]
        found = tier.get(start)
        if found is None:
            found = tier[start] = Aggregate()
            self._roll_up(now)
        self.written_at = max(self.written_at, at_seconds)
        return found

    def buckets(self) -> Iterator[tuple[int, Aggregate]]:
        """Yield start and aggregate of every bucket."""
        for tier in self.tiers.values():
            yield from tier.items()

    def _roll_up(self, now: float) -> None:
        for index, (length, kept) in enumerate(TIERS_SECONDS):
            tier = self.tiers[length]
            for start in [start for start in tier if start < now - kept]:
                aged = tier.pop(start)
                if index + 1 < len(TIERS_SECONDS):
                    coarser = TIERS_SECONDS[index + 1][0]
                    self.tiers[coarser].setdefault(start // coarser * coarser, Aggregate()).merge(aged)


@dataclass(frozen=True)
class Sample:
    """One value of one metric.

    Attributes
    ----------
    at_seconds
        Seconds since the epoch; None for now.
    resolution_seconds
        1 for a high-resolution metric, else 60.
    """

    namespace: str
    name: str
    dimensions: Dimensions
    value: float
    unit: str = "None"
    count: float = 1.0
    at_seconds: float | None = None
    resolution_seconds: int = 60


Gauge = Callable[[], Iterable[tuple[Region, Sample]]]


class Metrics:
    """All metrics of all regions. Safe to use from any thread.

    Parameters
    ----------
    clock
        Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._regions: dict[Region, dict[Key, dict[str, Series]]] = {}
        self._gauges: list[Gauge] = []

    def record(self, region: Region, *samples: Sample) -> None:
        """Take in samples."""
        now = self.clock()
        with self._lock:
            for sample in samples:
                at = now if sample.at_seconds is None else sample.at_seconds
                self._bucket(region, sample, at, now).add(sample.value, sample.count)

    def record_set(self, region: Region, sample: Sample, *, total: float, minimum: float, maximum: float) -> None:
        """Take in a statistic set; its count is the sample's, the sample's value is not looked at."""
        now = self.clock()
        at = now if sample.at_seconds is None else sample.at_seconds
        with self._lock:
            bucket = self._bucket(region, sample, at, now)
            bucket.add_set(count=sample.count, total=total, minimum=minimum, maximum=maximum)

    def add_gauge(self, gauge: Gauge) -> None:
        """Ask for its samples now and then: for what has a level and no events."""
        self._gauges.append(gauge)

    def read_gauges(self) -> None:
        """Take in a sample of everything that has a level."""
        for gauge in list(self._gauges):
            for region, sample in gauge():
                self.record(region, sample)

    def read(self, region: Region, key: Key, unit: str | None = None) -> dict[str, list[tuple[int, Aggregate]]]:
        """Return the buckets of a metric by unit, copied; of one unit only when it is given."""
        with self._lock:
            found = self._regions.get(region, {}).get(key, {})
            return {
                name: [(start, _copy(bucket)) for start, bucket in series.buckets()]
                for name, series in found.items()
                if unit is None or name == unit
            }

    def list(self, region: Region, *, since: float = 0.0) -> list[Key]:
        """Return the metrics that were written since a moment."""
        with self._lock:
            found = self._regions.get(region, {})
            return [key for key, units in found.items() if any(series.written_at >= since for series in units.values())]

    def clear(self, region: Region) -> None:
        """Forget a region's metrics."""
        with self._lock:
            self._regions.pop(region, None)

    def _bucket(self, region: Region, sample: Sample, at: float, now: float) -> Aggregate:
        metrics = self._regions.setdefault(region, {})
        key = (sample.namespace, sample.name, sample.dimensions)
        if key not in metrics and len(metrics) >= SERIES_AT_MOST:
            _drop_oldest(metrics)
        series = metrics.setdefault(key, {}).setdefault(sample.unit, Series())
        return series.bucket(at, sample.resolution_seconds, now)


def _copy(bucket: Aggregate) -> Aggregate:
    copied = Aggregate()
    copied.merge(bucket)
    return copied


def _drop_oldest(metrics: dict[Key, dict[str, Series]]) -> None:
    """Forget the tenth that was written longest ago, so that the search for it is rare."""
    by_age = sorted(metrics, key=lambda key: max(series.written_at for series in metrics[key].values()))
    for key in by_age[: SERIES_AT_MOST // 10]:
        del metrics[key]
