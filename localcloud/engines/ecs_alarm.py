"""The alarms of a deployment: which it watches, which ring, and how long it goes on watching when all tasks are there.

As on AWS, an alarm that rang when the deployment began is not watched: a fix must be deployable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from moto.cloudwatch.models import cloudwatch_backends

from localcloud.alarm import AlarmState
from localcloud.engines.cloudwatch_alarm import period_of
from localcloud.metric import Region


@dataclass(frozen=True)
class AlarmConfiguration:
    """The part `alarms` of a service's deploymentConfiguration."""

    names: tuple[str, ...] = ()
    enabled: bool = False
    rollback: bool = False

    @classmethod
    def read(cls, configuration: Mapping[str, Any]) -> AlarmConfiguration:
        """Read a service's deploymentConfiguration."""
        shape = configuration.get("alarms") or {}
        names = tuple(shape.get("alarmNames") or ())
        return cls(names, _truth(shape.get("enable")), _truth(shape.get("rollback")))


class Alarms(Protocol):
    """What is known of alarms."""

    def ringing(self, region: Region, names: tuple[str, ...]) -> frozenset[str]:
        """Return those of the alarms that are in ALARM."""

    def bake_seconds(self, region: Region, names: tuple[str, ...]) -> float:
        """Return how long a finished rollout is watched."""


class CloudWatchAlarms:
    """The alarms of CloudWatch. One that does not exist does not ring."""

    def ringing(self, region: Region, names: tuple[str, ...]) -> frozenset[str]:
        """Return those of the alarms that are in ALARM."""
        return frozenset(alarm.name for alarm in _find(region, names) if alarm.state_value == AlarmState.ALARM)

    def bake_seconds(self, region: Region, names: tuple[str, ...]) -> float:
        """Return how long a finished rollout is watched: as long as the slowest of its alarms needs to ring."""
        watched = [alarm for alarm in _find(region, names) if alarm.rule is None]
        return float(max((period_of(alarm) * int(alarm.evaluation_periods) for alarm in watched), default=0))


def _find(region: Region, names: tuple[str, ...]) -> list[Any]:
    alarms = cloudwatch_backends[region.account][region.name].alarms
    return [alarms[name] for name in names if name in alarms]


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() == "true"
