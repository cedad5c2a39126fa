"""Control groups (version 2) for what runs here, where this user may make them; nothing where not.

A control group holds CPU time and memory exactly, and ends what has left its process group. Linux lets a process that
is no administrator make them only below a group that was handed to it: `systemd-run --user --scope -p Delegate=yes`.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

_PREFIX = "localcloud-"
_NEEDED = frozenset({"cpu", "memory"})
_PERIOD_MICROSECONDS = 100_000

_log = logging.getLogger(__name__)


class Cgroup:
    """One group of processes, with its limits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def limit(self, cpus: float | None, memory_mib: int | None) -> None:
        """Hold the group to CPUs and MiB; None for no limit."""
        if cpus is not None:
            quota = max(1000, int(cpus * _PERIOD_MICROSECONDS))
            (self.folder / "cpu.max").write_text(f"{quota} {_PERIOD_MICROSECONDS}")
        if memory_mib is not None:
            (self.folder / "memory.max").write_text(str(memory_mib * 2**20))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(OSError):  # kernels without swap accounting
                    (self.folder / name).write_text(value)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group for its memory."""
        try:
            lines = (self.folder / "memory.events").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def kill(self) -> None:
        """End every process in it, wherever it has gone."""
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Take it away; what a process that ends right now still holds is taken at the next start."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


class Cgroups:
    """The folder that control groups are made in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def make(self) -> Cgroup | None:
        """Make a group; None when the kernel refuses."""
        self._count += 1
        folder = self._folder / f"{_PREFIX}{os.getpid()}-{self._count}"
        try:
            folder.mkdir()
        except OSError as error:
            _log.warning("no control group could be made: %s", error)
            return None
        return Cgroup(folder)


def find_cgroups(mounts: Path = Path("/proc/self/mounts"), own: Path = Path("/proc/self/cgroup")) -> Cgroups | None:
    """Return where control groups may be made, with CPU and memory under control; None where they may not.

    Parameters
    ----------
    mounts, own
        What the kernel says of this process; tests put files of their own there.
    """
    folder = _own_folder(mounts, own)
    if folder is None:
        return None
    try:
        if not _is_delegated(folder):
            return None
    except OSError:
        return None
    _sweep(folder)
    return Cgroups(folder)


def _own_folder(mounts: Path, own: Path) -> Path | None:
    try:
        points = [line.split() for line in mounts.read_text().splitlines()]
        paths = [line.split("::", 1)[1] for line in own.read_text().splitlines() if line.startswith("0::")]
    except OSError:
        return None
    roots = [fields[1] for fields in points if len(fields) > 2 and fields[2] == "cgroup2"]
    return Path(roots[0]) / paths[0].lstrip("/") if roots and paths else None


def _is_delegated(folder: Path) -> bool:
    if not set((folder / "cgroup.controllers").read_text().split()) >= _NEEDED:
        return False
    control = folder / "cgroup.subtree_control"
    if not set(control.read_text().split()) >= _NEEDED:
        _step_aside(folder)
        control.write_text("+cpu +memory")
    probe = folder / f"{_PREFIX}{os.getpid()}-0"
    probe.mkdir(exist_ok=True)
    is_ready = (probe / "cpu.max").exists() and (probe / "memory.max").exists()
    probe.rmdir()
    return is_ready


def _step_aside(folder: Path) -> None:
    """Move this process into a leaf: a group that holds processes gives its children no limits."""
    if (folder / "cgroup.procs").read_text().split() != [str(os.getpid())]:
        raise OSError("the control group is shared with other processes")
    leaf = folder / f"{_PREFIX}self"
    leaf.mkdir(exist_ok=True)
    (leaf / "cgroup.procs").write_text(str(os.getpid()))


def _sweep(folder: Path) -> None:
    """Take away what an earlier localcloud left when it was killed; a group that is in use stays."""
    for left in folder.glob(f"{_PREFIX}*-*"):
        with contextlib.suppress(OSError):
            left.rmdir()
