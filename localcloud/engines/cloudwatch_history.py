"""What happened to alarms, as DescribeAlarmHistory tells it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_KEPT = 5000


class ItemType(StrEnum):
    """Kinds of what can happen."""

    CONFIGURATION = "ConfigurationUpdate"
    STATE = "StateUpdate"
    ACTION = "Action"


@dataclass(frozen=True)
class Event:
    """One thing that happened."""

    alarm: str
    alarm_type: str
    type: ItemType
    summary: str
    data: Mapping[str, Any]
    at: datetime

    def view(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "AlarmName": self.alarm,
            "AlarmType": self.alarm_type,
            "Timestamp": self.at,
            "HistoryItemType": self.type.value,
            "HistorySummary": self.summary,
            "HistoryData": json.dumps({"version": "1.0", **self.data}, default=str),
        }


class History:
    """The last events of a region's alarms; an alarm's stay when it is deleted, as on AWS."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_KEPT)

    def note(self, alarm: Any, kind: ItemType, summary: str, data: Mapping[str, Any]) -> None:
        """Add an event."""
        self._events.append(Event(alarm.name, alarm_type(alarm), kind, summary, data, datetime.now(UTC)))

    def find(self, request: Mapping[str, Any]) -> list[Event]:
        """Return the events that DescribeAlarmHistory asks for, the newest first unless it asks otherwise."""
        types = request.get("AlarmTypes") or ["MetricAlarm"]
        found = [
            event
            for event in self._events
            if request.get("AlarmName") in (None, event.alarm)
            and request.get("HistoryItemType") in (None, event.type.value)
            and (request.get("AlarmName") or event.alarm_type in types)
            and _is_between(event.at, request.get("StartDate"), request.get("EndDate"))
        ]
        return found if request.get("ScanBy") == "TimestampAscending" else found[::-1]


def alarm_type(alarm: Any) -> str:
    """Return the API's name for the kind of an alarm."""
    return "MetricAlarm" if alarm.rule is None else "CompositeAlarm"


def _is_between(at: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or _aware(start) <= at) and (end is None or at <= _aware(end))


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
