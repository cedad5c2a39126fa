"""Following a run: each change once, the job's epochs, the reason of a skip, and never a silent minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from ratchet.cli import follow
from ratchet.cli.follow import Follower
from ratchet.compute.order import LogPage
from ratchet.errors import UnavailableError


@dataclass
class Lines:
    """Keeps what is said, without the time before it."""

    said: list[str] = field(default_factory=list)

    def say(self, line):
        self.said.append(line.partition("] ")[2])


@dataclass
class Script:
    """Plays Airflow: one mapping of task states for each look, the last of them when the run has ended."""

    looks: list[dict[str, str | None]]
    entries: list[list[dict[str, str]]] = field(default_factory=list)
    gates: list[dict] = field(default_factory=list)
    notes: dict[tuple[str, str], str] = field(default_factory=dict)
    end: str = "success"
    url: str = "http://airflow"

    def runs(self, dag, limit=20):
        return self.entries.pop(0) if self.entries else []

    def tasks(self, dag, run):
        look = self.looks.pop(0)
        return [{"task_id": name, "state": state} for name, state in look.items()]

    def run_state(self, dag, run):
        return "running" if self.looks else self.end

    def left(self, dag, run, task, key="return_value"):
        return self.notes.get((task, key))

    def waiting(self, dag, run):
        return self.gates


@dataclass
class Backend:
    pages: list[LogPage | Exception]
    cursors: list[str] = field(default_factory=list)

    def read_log(self, job, cursor):
        self.cursors.append(cursor)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page


@dataclass
class Shop:
    backend: Backend
    pipeline: Any = field(default_factory=lambda: SimpleNamespace(tuning=None))


@pytest.fixture(autouse=True)
def _looks_follow_each_other_at_once(monkeypatch):
    monkeypatch.setattr(follow, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(follow, "_HEARTBEAT_SECONDS", float("inf"))


def follower(script, *, pages=(), on_gate=lambda gate: None):
    return Follower(script, Shop(Backend(list(pages))), Lines(), "retrain_digits", on_gate)


def test_tells_each_change_of_state_once():
    looks = [
        {"freeze": None, "check": None},
        {"freeze": "scheduled", "check": None},
        {"freeze": "running", "check": None},
        {"freeze": "running", "check": None},
        {"freeze": "success", "check": "queued"},
        {"freeze": "success", "check": "up_for_retry"},
        {"freeze": "success", "check": "success"},
    ]
    watcher = follower(Script(looks))
    assert watcher.follow("r1", 30) == "success"
    assert watcher.output.said == [
        "freeze    running",
        "freeze    success",
        "check     up for retry",
        "check     success",
    ]


def test_tells_why_a_run_had_nothing_to_do():
    script = Script([{"freeze": "skipped"}], notes={("freeze", "reason"): "this version is trained"})
    watcher = follower(script)
    watcher.follow("r1", 30)
    assert watcher.output.said == ["freeze    skipped: this version is trained"]


def test_tells_epochs_and_reads_the_log_on_from_where_it_was():
    line = "RATCHET_METRIC epoch=3; train_loss=0.5; validation_accuracy=0.91; secret=1;"
    from ratchet.contract import METRIC_PREFIX

    pages = [
        LogPage([line.replace("RATCHET_METRIC", METRIC_PREFIX), "noise"], "c1"),
        UnavailableError("away"),
        LogPage([], "c2"),
    ]
    script = Script([{"train": "deferred"}] * 3 + [{"train": "success"}], notes={("train", "job"): "job-1"})
    watcher = follower(script, pages=pages)
    watcher.follow("r1", 30)
    assert watcher.output.said == [
        "train     deferred",
        "train     epoch 3  train loss 0.5  validation accuracy 0.91",
        "train     cannot read the log now: away",
        "train     success",
    ]
    assert watcher.workshop.backend.cursors == ["", "c1", "c1"]


def test_shows_a_waiting_gate_at_every_look():
    shown = []
    script = Script([{"approve": "awaiting_input"}] * 2 + [{"approve": "success"}], gates=[{"subject": "s"}])
    follower(script, on_gate=shown.append).follow("r1", 30)
    assert shown == [{"subject": "s"}] * 2


def test_never_stays_silent_for_long(monkeypatch):
    monkeypatch.setattr(follow, "_HEARTBEAT_SECONDS", 0.0)
    watcher = follower(Script([{"train": "running"}, {"train": "running"}, {"train": "success"}]))
    watcher.follow("r1", 30)
    assert watcher.output.said == ["train     running", "... train at work", "... train at work", "train     success"]


def test_gives_up_on_a_run_that_does_not_end():
    with pytest.raises(UnavailableError, match=r"had not ended.*http://airflow"):
        follower(Script([{}] * 10_000)).follow("r1", 0.05)


def test_waits_for_the_first_run_that_is_new():
    old, first, second = ({"dag_run_id": name, "run_type": "asset_triggered"} for name in ("r0", "r1", "r2"))
    watcher = follower(Script([], entries=[[old], [second, first, old]]))
    assert watcher.await_run({"r0"}, 30) == "r1"
    assert watcher.output.said[-1] == "run r1 (asset triggered)"


def test_says_where_to_look_when_no_run_starts():
    with pytest.raises(UnavailableError, match="triggerer's log"):
        follower(Script([])).await_run(set(), 0.05)
