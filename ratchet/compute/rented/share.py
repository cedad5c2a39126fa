"""What a job takes of a pool: as much as a machine of its type would give it, less what the pool's machines keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CPU_UNITS = 1024
# The operating system and the ECS agent take a part of a machine's memory before any task does.
_MEMORY_PERCENT = 90


@dataclass(frozen=True)
class Share:
    """CPU units (1024 are one vCPU), MiB, and GPUs."""

    cpu_units: int
    memory_mib: int
    gpus: int


def read_share(described: Mapping[str, Any]) -> Share:
    """The share of a type, as EC2's DescribeInstanceTypes describes it."""
    gpus = sum(int(each.get("Count", 0)) for each in described.get("GpuInfo", {}).get("Gpus", []))
    return Share(
        cpu_units=int(described["VCpuInfo"]["DefaultVCpus"]) * _CPU_UNITS,
        memory_mib=int(described["MemoryInfo"]["SizeInMiB"]) * _MEMORY_PERCENT // 100,
        gpus=gpus,
    )
