"""Alarms: their states, what they look at as a line with its threshold, and what happened to them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.console.gateway import Gateway
from localcloud.console.metric_view import Line, Wanted, read_lines

_TYPES = ["MetricAlarm", "CompositeAlarm"]
_CHART = timedelta(hours=3)
_SHOWN_EVENTS = 50


def list_alarms(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the alarms, ringing ones first."""
    pages = gateway.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=_TYPES)
    found = [_brief(each) for page in pages for each in (*page["MetricAlarms"], *page["CompositeAlarms"])]
    found.sort(key=lambda alarm: (alarm["state"] != "ALARM", alarm["name"]))
    return {"alarms": found}


def show_alarm(gateway: Gateway, path: tuple[str, ...], _query: Mapping[str, str]) -> dict[str, Any]:
    """Return all about one alarm.

    Raises
    ------
    LookupError
        When there is none of the name.
    """
    (name,) = path
    cloudwatch = gateway.client("cloudwatch")
    answer = cloudwatch.describe_alarms(AlarmNames=[name], AlarmTypes=_TYPES)
    found = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
    if not found:
        raise LookupError(f"there is no alarm {name}")
    history = cloudwatch.describe_alarm_history(AlarmName=name, MaxRecords=_SHOWN_EVENTS)["AlarmHistoryItems"]
    return {
        **_brief(found[0]),
        "reason": found[0]["StateReason"],
        "metrics": _lines(gateway, found[0]),
        "threshold": found[0].get("Threshold"),
        "history": [
            {"at": each["Timestamp"], "kind": each["HistoryItemType"], "summary": each["HistorySummary"]}
            for each in history
        ],
    }


def _brief(alarm: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": alarm["AlarmName"],
        "state": alarm["StateValue"],
        "since": alarm.get("StateTransitionedTimestamp"),
        "description": alarm.get("AlarmDescription", ""),
        "condition": _condition(alarm),
        "actions": alarm.get("AlarmActions", []),
    }


def _condition(alarm: Mapping[str, Any]) -> str:
    if "AlarmRule" in alarm:
        return str(alarm["AlarmRule"])
    what = alarm.get("MetricName") or "an expression"
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or ""
    periods, needed = alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    compared = str(alarm["ComparisonOperator"]).removesuffix("Threshold")
    period = f" of {alarm['Period']} s" if alarm.get("Period") else ""
    return f"{statistic} of {what}{period}: {compared} {alarm.get('Threshold')}, {needed} of {periods}".strip()


def _lines(gateway: Gateway, alarm: Mapping[str, Any]) -> list[Line]:
    if not alarm.get("MetricName"):
        return []
    dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    wanted = Wanted(alarm["MetricName"], alarm["Namespace"], alarm["MetricName"], dimensions, statistic)
    now = datetime.now(UTC)
    return read_lines(gateway, [wanted], start=now - _CHART, end=now, period=int(alarm["Period"]))
