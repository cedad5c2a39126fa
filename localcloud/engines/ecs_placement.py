"""Where a task goes: by CPU, memory and GPUs, as ECS places tasks on container instances. Decisions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SPREAD = "spread"
_BINPACK = "binpack"


@dataclass(frozen=True)
class Need:
    """What a task takes: CPU units (1024 are one CPU), MiB, and GPUs."""

    cpu: int = 0
    memory_mib: int = 0
    gpus: int = 0

    def __add__(self, other: Need) -> Need:
        """Sum."""
        return Need(self.cpu + other.cpu, self.memory_mib + other.memory_mib, self.gpus + other.gpus)

    def __sub__(self, other: Need) -> Need:
        """Difference."""
        return Need(self.cpu - other.cpu, self.memory_mib - other.memory_mib, self.gpus - other.gpus)

    def lacks(self, need: Need) -> str | None:
        """Say in ECS's words what is missing here for a need; None when it fits."""
        if need.memory_mib > self.memory_mib:
            return "RESOURCE:MEMORY"
        if need.cpu > self.cpu:
            return "RESOURCE:CPU"
        return "RESOURCE:GPU" if need.gpus > self.gpus else None


@dataclass(frozen=True)
class Room:
    """A container instance as a place for tasks.

    Attributes
    ----------
    arn
        Of the container instance.
    left
        What is free on it.
    zone
        Its availability zone.
    tasks
        How many tasks of the same group are on it.
    """

    arn: str
    left: Need
    zone: str = ""
    tasks: int = 0


def read_need(definition: Any, overrides: Mapping[str, Any]) -> Need:
    """Return what a task of a definition takes; what the task says of itself wins over its containers' sum."""
    changed = {each["name"]: each for each in overrides.get("containerOverrides") or []}
    containers = Need()
    for shape in definition.container_definitions:
        containers += _container_need(shape, changed.get(shape["name"], {}))
    cpu = overrides.get("cpu") or definition.cpu
    memory = overrides.get("memory") or definition.memory
    return Need(int(cpu or containers.cpu), int(memory or containers.memory_mib), containers.gpus)


def read_gpus(shape: Mapping[str, Any], override: Mapping[str, Any]) -> int:
    """Return how many GPUs a container asks for."""
    asked = override.get("resourceRequirements") or shape.get("resourceRequirements") or []
    return sum(int(each["value"]) for each in asked if each["type"] == "GPU")


def choose_room(rooms: Sequence[Room], need: Need, request: Mapping[str, Any]) -> Room | None:
    """Return the instance that a task goes to by the request's strategy and constraints; None when it fits nowhere."""
    alone = any(each["type"] == "distinctInstance" for each in request.get("placementConstraints") or [])
    fitting = [room for room in rooms if room.left.lacks(need) is None and not (alone and room.tasks)]
    strategy = request.get("placementStrategy") or [{"type": _SPREAD, "field": "instanceId"}]
    return min(fitting, key=lambda room: _rank(room, rooms, strategy), default=None)


def spread_over(strategy: Sequence[Mapping[str, Any]], count: int) -> list[str]:
    """Return the capacity provider of each of several tasks: bases first, then by weight.

    Parameters
    ----------
    strategy
        As RunTask takes it; not empty.
    """
    given = dict.fromkeys((each["capacityProvider"] for each in strategy), 0)
    weights = {each["capacityProvider"]: int(each.get("weight") or 0) for each in strategy}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1)
    chosen: list[str] = []
    for each in strategy:
        chosen += [each["capacityProvider"]] * min(int(each.get("base") or 0), count - len(chosen))
    while len(chosen) < count:
        name = min((name for name in weights if weights[name]), key=lambda name: (given[name] + 1) / weights[name])
        given[name] += 1
        chosen.append(name)
    return chosen


def instances_needed(needs: Sequence[Need], size: Need) -> int:
    """Return how many empty instances of a size hold tasks; those that do not fit on one are left out."""
    left: list[Need] = []
    for need in sorted(needs, key=lambda each: (each.gpus, each.memory_mib, each.cpu), reverse=True):
        if size.lacks(need) is not None:
            continue
        place = next((index for index, room in enumerate(left) if room.lacks(need) is None), None)
        if place is None:
            left.append(size - need)
        else:
            left[place] = left[place] - need
    return len(left)


def _container_need(shape: Mapping[str, Any], override: Mapping[str, Any]) -> Need:
    memory = override.get("memory") or shape.get("memory") or shape.get("memoryReservation") or 0
    return Need(int(override.get("cpu") or shape.get("cpu") or 0), int(memory), read_gpus(shape, override))


def _rank(room: Room, rooms: Sequence[Room], strategy: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    return (*(_rank_by(room, rooms, each) for each in strategy), room.arn)


def _rank_by(room: Room, rooms: Sequence[Room], rule: Mapping[str, Any]) -> int:
    if rule["type"] == _BINPACK:
        return room.left.cpu if str(rule.get("field", "")).lower() == "cpu" else room.left.memory_mib
    if rule["type"] != _SPREAD:
        return 0
    if "zone" in str(rule.get("field", "")):
        return sum(each.tasks for each in rooms if each.zone == room.zone)
    return room.tasks
