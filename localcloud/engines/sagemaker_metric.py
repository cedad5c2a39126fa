"""Reads metrics from a training job's log lines, as `MetricDefinitions` say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from moto.core import DEFAULT_ACCOUNT_ID

from localcloud.metric import Metrics, Region, Sample, order_dimensions

NAMESPACE = "/aws/sagemaker/TrainingJobs"


class MetricReader:
    """The compiled definitions of one job.

    Parameters
    ----------
    definitions
        `MetricDefinitions` of the request: a name and a regular expression each, whose first group is the value.
    """

    def __init__(self, definitions: Sequence[Mapping[str, str]]) -> None:
        self._patterns = [(found["Name"], re.compile(found["Regex"])) for found in definitions]

    def read(self, line: str) -> Iterator[tuple[str, float]]:
        """Yield name and value of each metric in a line: the last match of each that is a finite number.

        CloudWatch takes neither NaN nor infinity, so SageMaker has none to report either.
        """
        for name, pattern in self._patterns:
            values = [value for match in pattern.finditer(line) if (value := _number(match)) is not None]
            if values:
                yield name, values[-1]


def _number(match: re.Match[str]) -> float | None:
    text = match.group(1) if match.re.groups else match.group()
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def record_objective(metrics: Metrics, region: str, job: str, *, name: str, value: float) -> None:
    """Put a job's metric into CloudWatch, to the second, as SageMaker does."""
    sample = Sample(NAMESPACE, name, order_dimensions({"TrainingJobName": job}), value, resolution_seconds=1)
    metrics.record(Region(DEFAULT_ACCOUNT_ID, region), sample)
