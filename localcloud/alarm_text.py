"""What CloudWatch says about an alarm's state: StateReason, StateReasonData, and the message that a topic gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from localcloud.alarm import AlarmState, Condition, Datapoint, Finding, Missing

_REGIONS = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-west-1": "EU (Ireland)",
    "eu-central-1": "EU (Frankfurt)",
}
_FILLED_AS = {Missing.BREACHING: "[Breaching]", Missing.NOT_BREACHING: "[NonBreaching]"}
_TYPES = {"SampleCount": "SampleCount", "Minimum": "MINIMUM", "Maximum": "MAXIMUM", "Average": "AVERAGE", "Sum": "SUM"}


def describe_state(condition: Condition, finding: Finding, before: AlarmState) -> str:
    """Return the StateReason of a new state."""
    if finding.state is AlarmState.INSUFFICIENT_DATA:
        count = finding.filled
        return f"Insufficient Data: {count} {_plural(count, 'datapoint was', 'datapoints were')} unknown."
    if not finding.evaluated:
        filled = finding.filled
        return (
            f"Threshold Crossed: no datapoints were received for {filled} {_plural(filled, 'period', 'periods')} and "
            f"{filled} missing {_plural(filled, 'datapoint was', 'datapoints were')} treated as "
            f"{_FILLED_AS.get(condition.missing, '[Missing]')}."
        )
    breached = finding.state is AlarmState.ALARM
    shown = [point for point in finding.evaluated if _counts(condition, point, breached=breached)]
    counted = len(finding.evaluated)
    verb = _plural(len(shown), "was", "were") + ("" if breached else " not")
    return (
        f"Threshold Crossed: {len(shown)} out of the last {counted} {_plural(counted, 'datapoint', 'datapoints')} "
        f"[{', '.join(map(_name_point, shown))}] {verb} {condition.comparison.words} the threshold "
        f"({condition.threshold}) (minimum {_needed(condition, breached=breached)} for "
        f"{before} -> {finding.state} transition)."
    )


def _counts(condition: Condition, point: Datapoint, *, breached: bool) -> bool:
    return point.value is not None and condition.breaches(point.value) is breached


def _needed(condition: Condition, *, breached: bool) -> str:
    needed = condition.datapoints_to_alarm
    if not breached:
        needed = condition.evaluation_periods - condition.datapoints_to_alarm + 1
    return f"{needed} {_plural(needed, 'datapoint', 'datapoints')}"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _name_point(point: Datapoint) -> str:
    return f"{point.value} ({_moment(point.at_seconds):%d/%m/%y %H:%M:%S})"


def reason_data(
    condition: Condition, finding: Finding, *, statistic: str, period: int | None, now: float
) -> dict[str, Any]:
    """Return the StateReasonData of a new state."""
    oldest = finding.evaluated[-1].at_seconds if finding.evaluated else None
    found = {
        "version": "1.0",
        "queryDate": _iso(now),
        "startDate": None if oldest is None else _iso(oldest),
        "statistic": statistic,
        "period": period,
        "recentDatapoints": [point.value for point in reversed(finding.evaluated)],
        "threshold": condition.threshold,
        "evaluatedDatapoints": [
            {"timestamp": _iso(point.at_seconds), "sampleCount": point.sample_count, "value": point.value}
            for point in finding.evaluated
        ],
    }
    return {key: value for key, value in found.items() if value is not None}


def subject(name: str, state: str, region: str) -> str:
    """Return the subject of the message that a topic gets; a topic takes no more than 100 characters."""
    return f'{state}: "{name}" in {_REGIONS.get(region, region)}'[:100]


def describe_trigger(alarm: Mapping[str, Any], dimensions: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the `Trigger` part of the message: what the alarm looks at.

    Parameters
    ----------
    alarm
        Keys of the API.
    """
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or ""
    return {
        "MetricName": alarm.get("MetricName"),
        "Namespace": alarm.get("Namespace"),
        "StatisticType": "ExtendedStatistic" if alarm.get("ExtendedStatistic") else "Statistic",
        "Statistic": _TYPES.get(statistic, statistic),
        "Unit": alarm.get("Unit"),
        "Dimensions": [{"value": value, "name": name} for name, value in dimensions],
        "Period": alarm.get("Period"),
        "EvaluationPeriods": alarm.get("EvaluationPeriods"),
        "DatapointsToAlarm": alarm.get("DatapointsToAlarm"),
        "ComparisonOperator": alarm.get("ComparisonOperator"),
        "Threshold": alarm.get("Threshold"),
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile") or "",
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _iso(seconds: float) -> str:
    moment = _moment(seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
