"""What holds a process group to what its definition asks for: decided here, carried out by the group's guard."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_NICE_LIMIT = 19
_NICE_STEP = 1.25  # what one step of niceness weighs in Linux's scheduler
# Names of ECS's and Batch's `ulimits` that a process of its own can have here.
ULIMITS = ("core", "cpu", "data", "fsize", "memlock", "nofile", "stack")


@dataclass(frozen=True)
class Confinement:
    """What a guard does to itself before it runs the command, which inherits it.

    Attributes
    ----------
    cgroup
        Folder of the group's own control group, None where there is none.
    cpus
        CPUs that the group may run on; empty for all.
    nice
        Steps of niceness.
    limits
        Soft and hard limit by the names of `ULIMITS`; -1 for none.
    lingers
        Whether the group goes on without its command, until nothing of it runs any more.
    """

    cgroup: Path | None = None
    cpus: frozenset[int] = frozenset()
    nice: int = 0
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    lingers: bool = False

    def to_argument(self) -> str:
        """Return it as one word, as `guard.py` reads it."""
        words = [f"limit:{name}={soft},{hard}" for name, (soft, hard) in sorted(self.limits.items())]
        if self.cgroup is not None:
            words.append(f"cgroup={self.cgroup}")
        if self.cpus:
            words.append("cpus=" + ",".join(map(str, sorted(self.cpus))))
        if self.nice:
            words.append(f"nice={self.nice}")
        if self.lingers:
            words.append("lingers=1")
        return "\n".join(words)


def choose_cpus(cpus: float, load: Mapping[int, float]) -> frozenset[int]:
    """Return the CPUs to keep a group on: the least promised ones, as many as hold its share; empty for all.

    Parameters
    ----------
    cpus
        What the group asks for, in CPUs.
    load
        What has been promised to others, by CPU.
    """
    wanted = max(1, math.ceil(cpus))
    if wanted >= len(load):
        return frozenset()
    return frozenset(sorted(load, key=lambda cpu: (load[cpu], cpu))[:wanted])


def niceness(cpus: float) -> int:
    """Return the steps of niceness that make a group weigh as a fraction of one CPU does; 0 for a whole one."""
    if cpus >= 1:
        return 0
    return min(_NICE_LIMIT, round(-math.log(max(cpus, 1e-3), _NICE_STEP)))


def read_ulimits(entries: Sequence[Mapping[str, object]]) -> dict[str, tuple[int, int]]:
    """Return what a task or job definition's `ulimits` ask for, without those that are no process's own."""
    return {
        str(entry["name"]): (int(str(entry["softLimit"])), int(str(entry["hardLimit"])))
        for entry in entries
        if entry.get("name") in ULIMITS
    }


def usable_cpus() -> frozenset[int]:
    """Return the CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))
