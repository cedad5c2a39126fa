"""When a tuning job stops one of its training jobs, or itself: pure rules over the objective's values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

LEAST_PREVIOUS = 3  # a median of fewer says little
HOPELESS_FAILURES = 5


def is_falling_behind(series: Sequence[float], previous: Sequence[Sequence[float]], *, maximize: bool) -> bool:
    """Whether AWS's median rule stops a training job.

    The latest value is held against the median of the earlier jobs' averages up to the same report.
    See "Stop Training Jobs Early" in the SageMaker Developer Guide.

    Parameters
    ----------
    series
        The objective's values of the job, one for each report.
    previous
        The same of the training jobs that have completed.
    maximize
        Whether more is better.
    """
    step = len(series)
    averages = [fmean(earlier[:step]) for earlier in previous if len(earlier) >= step > 0]
    if len(averages) < LEAST_PREVIOUS:
        return False
    return series[-1] < median(averages) if maximize else series[-1] > median(averages)


def find_best(objectives: Sequence[float | None], *, maximize: bool) -> int | None:
    """Return the index of the best value, the first of equals; None when there is none."""
    found = [(value if maximize else -value, -index) for index, value in enumerate(objectives) if value is not None]
    return -max(found)[1] if found else None


def count_not_improving(objectives: Sequence[float | None], *, maximize: bool) -> int:
    """Return how many of the ended training jobs came after the best one."""
    best = find_best(objectives, maximize=maximize)
    return len(objectives) if best is None else len(objectives) - 1 - best


def is_done(criteria: Mapping[str, Any], objectives: Sequence[float | None], *, maximize: bool) -> bool:
    """Whether TuningJobCompletionCriteria are met by the training jobs that have ended, in the order of their start."""
    best = find_best(objectives, maximize=maximize)
    value = None if best is None else objectives[best]
    target = criteria.get("TargetObjectiveMetricValue")
    if target is not None and value is not None and (value >= target if maximize else value <= target):
        return True
    patience = (criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving")
    return patience is not None and value is not None and count_not_improving(objectives, maximize=maximize) >= patience


def is_hopeless(objectives: Sequence[float | None]) -> bool:
    """Whether the first training jobs all failed, which on AWS ends the tuning job."""
    return len(objectives) >= HOPELESS_FAILURES and all(value is None for value in objectives)
