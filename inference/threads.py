"""How many cores this process may use, told to the numerical libraries before they are loaded."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import MutableMapping, Optional

_CGROUP_V2 = Path("/sys/fs/cgroup/cpu.max")
_CGROUP_V1_QUOTA = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CGROUP_V1_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def read_quota(text: str) -> Optional[float]:
    """Cores of a cgroup's `cpu.max` line, `<quota> <period>` in microseconds; None for `max` and what is no quota."""
    parts = text.split()
    try:
        quota, period = float(parts[0]), float(parts[1])
    except (IndexError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def count_cores() -> int:
    """The smaller of the CPU affinity and the container's quota, at least one."""
    cores = float(len(os.sched_getaffinity(0)))
    quota = read_quota(_read(_CGROUP_V2)) or read_quota(_read(_CGROUP_V1_QUOTA) + " " + _read(_CGROUP_V1_PERIOD))
    return max(1, math.ceil(min(cores, quota or cores)))


def set_threads(environment: MutableMapping[str, str]) -> int:
    """Set `OMP_NUM_THREADS` where nobody has: MXNet guesses badly, and half its speed hangs on it."""
    threads = environment.setdefault("OMP_NUM_THREADS", str(count_cores()))
    environment.setdefault("MXNET_CPU_WORKER_NTHREADS", "1")
    return int(threads)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
