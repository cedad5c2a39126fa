"""Processes that outlive the command that starts them: each in its own group, written down, ended by whoever asks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_TERM_GRACE_SECONDS = 20.0
_START_TIME_SLACK_SECONDS = 2.0


@dataclass(frozen=True)
class Running:
    """A process that was started: its id is only trusted together with its start time."""

    name: str
    pid: int
    created_at: float  # seconds since the epoch
    log: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created_at) < _START_TIME_SLACK_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


class ProcessTable:
    """What runs for this home folder, kept in `processes.json`.

    Parameters
    ----------
    home
        Folder of the stack's state; logs go to `home/logs`.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.file = home / "processes.json"

    def start(self, name: str, argv: Sequence[str], *, environment: Mapping[str, str], cwd: Path) -> Running:
        """Start a process in a session of its own, its output appended to `logs/<name>.log`."""
        log = self.home / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            child = subprocess.Popen(
                list(argv),
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        running = Running(name=name, pid=child.pid, created_at=psutil.Process(child.pid).create_time(), log=str(log))
        self._write([entry for entry in self.read() if entry.name != name] + [running])
        return running

    def read(self) -> list[Running]:
        """Return every process that was started and not stopped."""
        try:
            return [Running(**entry) for entry in json.loads(self.file.read_text("utf-8"))]
        except FileNotFoundError:
            return []

    def find(self, name: str) -> Running | None:
        """Return the process of a name when it is alive."""
        return next((entry for entry in self.read() if entry.name == name and entry.alive()), None)

    def stop(self, name: str | None = None) -> list[str]:
        """End one process and all its descendants, or every one; return the names of those that were alive.

        SIGTERM to each group, then SIGKILL to whatever is left after the grace period.
        """
        entries = [entry for entry in self.read() if name in (None, entry.name)]
        alive = [entry for entry in entries if entry.alive()]
        members = [member for entry in alive for member in _family(entry.pid)]
        for entry in reversed(alive):
            _signal_group(entry.pid, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(members, timeout=_TERM_GRACE_SECONDS)
        for member in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(stubborn, timeout=5)
        self._write([entry for entry in self.read() if entry not in entries])
        return [entry.name for entry in alive]

    def _write(self, entries: Sequence[Running]) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        draft = self.file.with_suffix(".tmp")
        draft.write_text(json.dumps([asdict(entry) for entry in entries], indent=2), "utf-8")
        draft.replace(self.file)


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [*leader.children(recursive=True), leader]
    except psutil.NoSuchProcess:
        return []


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def poll_until(limit_seconds: float, interval_seconds: float = 0.2) -> Iterator[float]:
    """Yield the seconds that have passed, until the limit; the caller leaves the loop when its condition holds."""
    started = time.monotonic()
    while (passed := time.monotonic() - started) < limit_seconds:
        yield passed
        time.sleep(interval_seconds)
