"""Follow a run: every change of state as it happens, the remote job's epochs, and never a silent minute."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.cli.airflow import Airflow
from ratchet.cli.output import Output
from ratchet.contract import METRIC_PREFIX
from ratchet.errors import RatchetError, UnavailableError
from ratchet.laptop.process import poll_until
from ratchet.loop.study_store import read_study
from ratchet.loop.study_watch import Progress, find_progress
from ratchet.loop.workshop import Workshop

_POLL_SECONDS = 1.5
_HEARTBEAT_SECONDS = 15.0
_FIGURE = re.compile(r"(\w+)=([^;]+);")
_ENDED = frozenset({"success", "failed"})
_JOB_TASKS = frozenset({"prepare", "train", "evaluate"})
OnGate = Callable[[dict[str, Any]], None]


@dataclass
class Follower:
    """Watches one pipeline's runs and tells what happens.

    Attributes
    ----------
    on_gate
        Called at every look while an approval waits, with what Airflow says of it.
    """

    airflow: Airflow
    workshop: Workshop
    output: Output
    dag: str
    on_gate: OnGate
    started: float = field(default_factory=time.monotonic)
    _states: dict[str, str] = field(default_factory=dict)
    _cursors: dict[str, str] = field(default_factory=dict)
    _studies: dict[str, Progress] = field(default_factory=dict)
    _last_words: float = 0.0

    def await_run(self, known: set[str], limit_seconds: float) -> str:
        """Wait for a run that is not among `known`; return its id."""
        for _ in poll_until(limit_seconds, _POLL_SECONDS):
            fresh = [entry for entry in self.airflow.runs(self.dag) if entry["dag_run_id"] not in known]
            if fresh:
                # The oldest of the new ones: it was started first.
                run = str(fresh[-1]["dag_run_id"])
                self.tell(f"run {run} ({fresh[-1]['run_type'].replace('_', ' ')})")
                return run
            self._heartbeat("waiting for the arrival to start a run")
        raise UnavailableError(f"no run of {self.dag} started within {limit_seconds:.0f} s; see the triggerer's log")

    def follow(self, run: str, limit_seconds: float) -> str:
        """Tell what happens until the run has ended; return its state."""
        self._states.clear()
        for _ in poll_until(limit_seconds, _POLL_SECONDS):
            tasks = {task["task_id"]: task for task in self.airflow.tasks(self.dag, run)}
            for name, task in tasks.items():
                self._look_at(run, name, task)
            state = self.airflow.run_state(self.dag, run)
            if state in _ENDED:
                return state
            busy = [name for name, task in tasks.items() if task["state"] in ("running", "deferred", "queued")]
            self._heartbeat(f"{', '.join(busy) or 'the scheduler'} at work")
        raise UnavailableError(f"run {run} had not ended after {limit_seconds:.0f} s; see {self.airflow.url}")

    def tell(self, line: str) -> None:
        """Say one line with the time that has passed."""
        self._last_words = time.monotonic()
        self.output.say(f"[{self._last_words - self.started:6.1f} s] {line}")

    def _look_at(self, run: str, name: str, task: Mapping[str, Any]) -> None:
        state = str(task["state"] or "")
        before = self._states.get(name, "")
        self._states[name] = state
        if state != before and state not in ("", "scheduled", "queued", "None", "upstream_failed"):
            self.tell(f"{name:<9} {state.replace('_', ' ')}{self._reason(run, name, state)}")
        if state == "deferred" and name in _JOB_TASKS:
            self._tell_epochs(run, name)
        if state == "awaiting_input":
            for gate in self.airflow.waiting(self.dag, run):
                self.on_gate(gate)

    def _reason(self, run: str, name: str, state: str) -> str:
        if state != "skipped" or name != "freeze":
            return ""
        reason = self.airflow.left(self.dag, run, name, "reason")
        return f": {reason}" if reason else ""

    def _tell_epochs(self, run: str, name: str) -> None:
        job = self.airflow.left(self.dag, run, name, "job")
        if not job:
            return
        try:
            searches = name == "train" and self.workshop.pipeline.tuning is not None
            lines = self._look_at_study(job) if searches else self._read_epochs(job)
        except RatchetError as error:
            self.tell(f"{name:<9} cannot read the log now: {error}")
            return
        for line in lines:
            self.tell(f"{name:<9} {line}")

    def _read_epochs(self, job: str) -> list[str]:
        page = self.workshop.backend.read_log(job, self._cursors.get(job, ""))
        self._cursors[job] = page.cursor
        return [_epoch(line) for line in page.lines if METRIC_PREFIX in line]

    def _look_at_study(self, name: str) -> list[str]:
        if name not in self._studies:
            self._studies[name] = find_progress(self.workshop, read_study(self.workshop, name))
        progress = self._studies[name]
        before = progress.study.tell()
        progress.look()
        return [progress.study.tell()] if progress.study.tell() != before else []

    def _heartbeat(self, line: str) -> None:
        if time.monotonic() - self._last_words > _HEARTBEAT_SECONDS:
            self.tell(f"... {line}")


def _epoch(line: str) -> str:
    figures = dict(_FIGURE.findall(line.partition(METRIC_PREFIX)[2]))
    wanted = ("epoch", "train_loss", "validation_accuracy", "challenger_accuracy", "champion_accuracy")
    return "  ".join(f"{name.replace('_', ' ')} {figures[name]}" for name in wanted if name in figures)
