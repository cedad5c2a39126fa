"""Queries on metrics, as GetMetricData and alarms have them: statistics of a metric, and math over other queries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.metric import Aggregate, Dimensions, Metrics, Region, order_dimensions
from localcloud.metric_math import ExpressionError, Series, evaluate
from localcloud.metric_statistic import compute, group


@dataclass(frozen=True)
class Selection:
    """One statistic of one metric, in periods of so many seconds."""

    namespace: str
    name: str
    dimensions: Dimensions
    statistic: str
    period: int
    unit: str | None = None


@dataclass(frozen=True)
class Query:
    """A selection or an expression, under an id."""

    id: str
    selection: Selection | None = None
    expression: str = ""
    label: str = ""
    returned: bool = True


@dataclass(frozen=True)
class Span:
    """A stretch of time in seconds since the epoch; the end is not included."""

    start: float
    end: float


class Library:
    """The metrics of one region, read."""

    def __init__(self, metrics: Metrics, region: Region) -> None:
        self._metrics = metrics
        self._region = region

    def samples(self, selection: Selection, span: Span) -> dict[float, Aggregate]:
        """Return the samples of each period that has some."""
        key = (selection.namespace, selection.name, selection.dimensions)
        units = self._metrics.read(self._region, key, selection.unit)
        buckets = [bucket for found in units.values() for bucket in found]
        return group(buckets, start=span.start, end=span.end, period=selection.period)

    def values(self, selection: Selection, span: Span) -> Series:
        """Return the statistic of each period that has one."""
        found = {at: compute(selection.statistic, each) for at, each in self.samples(selection, span).items()}
        return {at: value for at, value in found.items() if value is not None}

    def run(self, queries: Sequence[Query], span: Span) -> dict[str, Series]:
        """Return what each query comes to, by its id.

        Raises
        ------
        ExpressionError
            When an expression cannot be computed, or needs itself.
        """
        found = {query.id: self.values(query.selection, span) for query in queries if query.selection is not None}
        return combine(queries, found)


def combine(queries: Sequence[Query], found: Mapping[str, Series]) -> dict[str, Series]:
    """Add the expressions' results to those of the selections, each after what it needs.

    Raises
    ------
    ExpressionError
        When an expression cannot be computed, or needs itself.
    """
    results = dict(found)
    waiting = [query for query in queries if query.id not in results]
    while waiting:
        ready = [query for query in waiting if not _needs(query, waiting)]
        if not ready:
            raise ExpressionError(f"the expressions {', '.join(query.id for query in waiting)} need each other")
        results.update({query.id: evaluate(query.expression, results) for query in ready})
        waiting = [query for query in waiting if query not in ready]
    return results


def _needs(query: Query, waiting: Sequence[Query]) -> bool:
    words = set(re.findall(r"[a-z]\w*", query.expression))
    return any(other.id in words for other in waiting)


def read_query(shape: Mapping[str, Any]) -> Query:
    """Read a query in the API's form."""
    stat = shape.get("MetricStat")
    return Query(
        id=str(shape["Id"]),
        selection=None if stat is None else _read_selection(stat),
        expression=str(shape.get("Expression") or ""),
        label=str(shape.get("Label") or ""),
        returned=shape.get("ReturnData") is not False,
    )


def _read_selection(stat: Mapping[str, Any]) -> Selection:
    metric = stat["Metric"]
    return Selection(
        namespace=str(metric.get("Namespace") or ""),
        name=str(metric.get("MetricName") or ""),
        dimensions=read_dimensions(metric.get("Dimensions")),
        statistic=str(stat["Stat"]),
        period=int(stat["Period"]),
        unit=stat.get("Unit"),
    )


def read_dimensions(shapes: Sequence[Mapping[str, str]] | None) -> Dimensions:
    """Read the API's list of names and values."""
    return order_dimensions({shape["Name"]: str(shape.get("Value") or "") for shape in shapes or ()})


def round_start(start: float, period: int) -> float:
    """Round the start of a question down: to the minute, or to the period of a high-resolution metric."""
    grain = period if period < 60 else 60
    return start // grain * grain
