"""Embedded metric format: log lines that carry metrics, and name them in a block `_aws`.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from localcloud.metric import Sample, order_dimensions

_MARK = '"_aws"'
_LONGEST_NAME = 1024
_METRICS_AT_MOST = 100
_DIMENSIONS_AT_MOST = 30
_VALUES_AT_MOST = 100
_PAST_SECONDS, _FUTURE_SECONDS = 14 * 24 * 3600, 2 * 3600


class BrokenBlock(Exception):
    """A line has a block `_aws` that does not keep to the specification; the message says where."""


def read_line(line: str, now: float) -> list[Sample]:
    """Return the metrics of a log line; none for a line that is not in the format.

    Parameters
    ----------
    now
        Seconds since the epoch: a block from more than two weeks ago, or from the future, is broken.

    Raises
    ------
    BrokenBlock
        When the line has a block that cannot be used. Nothing of it counts then.
    """
    if _MARK not in line:
        return []
    try:
        root = json.loads(line)
    except (ValueError, RecursionError):
        return []  # text that happens to hold the mark
    block = root.get("_aws") if isinstance(root, dict) else None
    if block is None:
        return []
    _require(isinstance(block, dict), "_aws is no object")
    at_seconds = _read_time(block.get("Timestamp"), now)
    directives = block.get("CloudWatchMetrics")
    if not isinstance(directives, list):
        raise BrokenBlock("_aws.CloudWatchMetrics is no array")
    return [sample for directive in directives for sample in _read_directive(directive, root, at_seconds)]


def _read_time(timestamp: Any, now: float) -> float:
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        raise BrokenBlock("_aws.Timestamp is no number of milliseconds")
    seconds = timestamp / 1000
    if not now - _PAST_SECONDS <= seconds <= now + _FUTURE_SECONDS:
        raise BrokenBlock("_aws.Timestamp is more than 14 days old or more than 2 hours ahead")
    return seconds


def _read_directive(directive: Any, root: Mapping[str, Any], at_seconds: float) -> Iterator[Sample]:
    _require(isinstance(directive, dict), "a directive is no object")
    namespace = _read_name(directive.get("Namespace"), "Namespace")
    metrics = directive.get("Metrics")
    if not isinstance(metrics, list) or len(metrics) > _METRICS_AT_MOST:
        raise BrokenBlock(f"Metrics is no array of at most {_METRICS_AT_MOST}")
    sets = [_read_dimensions(names, root) for names in _read_sets(directive.get("Dimensions"))]
    for metric in metrics:
        _require(isinstance(metric, dict), "a metric is no object")
        name = _read_name(metric.get("Name"), "Name")
        unit, resolution = metric.get("Unit", "None"), metric.get("StorageResolution", 60)
        _require(isinstance(unit, str), f"the unit of {name} is no text")
        _require(resolution in (1, 60), f"the StorageResolution of {name} is neither 1 nor 60")
        for value in _read_values(root.get(name), name):
            for dimensions in sets:
                yield Sample(
                    namespace,
                    name,
                    dimensions,
                    value,
                    unit,
                    at_seconds=at_seconds,
                    resolution_seconds=resolution,
                )


def _read_sets(sets: Any) -> list[list[Any]]:
    if sets is None:
        return [[]]
    if not isinstance(sets, list) or not sets or not all(isinstance(names, list) for names in sets):
        raise BrokenBlock("Dimensions is no array of arrays")
    return sets


def _read_dimensions(names: list[Any], root: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    _require(len(names) <= _DIMENSIONS_AT_MOST, f"a set has more than {_DIMENSIONS_AT_MOST} dimensions")
    found: dict[str, str] = {}
    for name in names:
        value = root.get(name) if isinstance(name, str) else None
        _require(isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME, f"the dimension {name} has no text value")
        found[name] = str(value)
    return order_dimensions(found)


def _read_values(value: Any, name: str) -> list[float]:
    values = value if isinstance(value, list) else [value]
    _require(len(values) <= _VALUES_AT_MOST, f"{name} has more than {_VALUES_AT_MOST} values")
    for each in values:
        good = isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each)
        _require(good, f"{name} is no number")
    return [float(each) for each in values]


def _read_name(name: Any, what: str) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
        raise BrokenBlock(f"{what} is no text of 1 to {_LONGEST_NAME} characters")
    return name


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BrokenBlock(message)
