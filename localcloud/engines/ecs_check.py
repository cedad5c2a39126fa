"""Container health checks: a command run again and again beside the container, as HEALTHCHECK is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from localcloud.engines.ecs_container import ContainerCheck, ContainerPlan
from localcloud.health import Health, HealthRecord
from localcloud.process import Command, Supervisor

_log = logging.getLogger(__name__)


def watch_container(
    plan: ContainerPlan, folder: Path, supervisor: Supervisor, *, ended: threading.Event, tell: Callable[[Health], None]
) -> threading.Thread | None:
    """Check a container in a thread of its own until `ended` is set; None when it has no check.

    Parameters
    ----------
    tell
        Called with each new finding.
    """
    if plan.check is None:
        return None
    thread = threading.Thread(
        target=_watch, args=(plan, plan.check, folder, supervisor, ended, tell), name=f"check-{plan.name}", daemon=True
    )
    thread.start()
    return thread


def _watch(  # noqa: PLR0917 - the body of the thread above
    plan: ContainerPlan,
    check: ContainerCheck,
    folder: Path,
    supervisor: Supervisor,
    ended: threading.Event,
    tell: Callable[[Health], None],
) -> None:
    now = time.monotonic()
    record = HealthRecord(now + check.start_seconds, check.interval_seconds, rise=1, fall=check.retries)
    command = Command(check.command, plan.environment, folder)
    while not ended.is_set():
        before = record.health
        good = _passes(command, check.timeout_seconds, supervisor)
        health = record.note(good=good, now_seconds=time.monotonic())
        if health is not before:
            tell(health)
        ended.wait(record.pause_seconds)


def _passes(command: Command, timeout_seconds: float, supervisor: Supervisor) -> bool:
    try:
        child = supervisor.start(command)
    except (OSError, RuntimeError) as error:
        _log.info("a health check cannot run: %s", error)
        return False
    if child.wait(timeout_seconds) is None:
        child.stop(0.0)
        return False
    return child.poll() == 0
