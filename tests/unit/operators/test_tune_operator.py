"""The tuning task: leaves the best trial's job, and says who acts when there is none."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from operators import poll
from operators.tune import TuneModelOperator
from ratchet.errors import JobError
from ratchet.loop import study as verbs
from ratchet.loop.look import Look
from ratchet.loop.ticket import Ticket
from ratchet.tuning.study import Study, Trial, TrialState

TICKET = Ticket(True, "a new version", "d" * 64, identity="i")
STUDY = Study("digits-tune-1", "digits", "i", "random", "accuracy", maximize=True, by_jobs=True)
TRIALS = (Trial(1, TrialState.COMPLETED, {"rate": 0.1}, 0.5, "job-1"), Trial(2, TrialState.FAILED, {"rate": 0.2}))


@dataclass
class Notes:
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_pull(self, task_ids):
        return {"freeze": vars(TICKET), "prepare": {"job": "prepare-1"}}[task_ids]

    def xcom_push(self, key, value):
        self.pushed[key] = value


class Tuner(TuneModelOperator):
    def workshop(self):
        links = SimpleNamespace(describe_link=lambda name: f"job/{name}")
        settings = SimpleNamespace(poll_seconds=10.0)
        return SimpleNamespace(tuner=links, backend=None, study_page=lambda name: f"page/{name}", settings=settings)


@pytest.fixture
def task():
    return Tuner(task_id="train", pipeline="digits")


def ending(monkeypatch, study):
    def choose(workshop, found):
        if found.best is None:
            raise JobError("no trial gave accuracy")
        return found.best

    monkeypatch.setattr(verbs, "end_study", lambda workshop, name: study)
    monkeypatch.setattr(verbs, "choose_best", choose)


def test_starts_the_study_links_to_it_and_waits_elsewhere(task, monkeypatch):
    asked = []
    monkeypatch.setattr(verbs, "estimate_study", lambda workshop: "at most $1")
    monkeypatch.setattr(verbs, "limit_seconds", lambda workshop: 3600.0)
    monkeypatch.setattr(verbs, "begin_study", lambda workshop, run, state: asked.append((run, state)) or STUDY)
    monkeypatch.setattr(poll, "open_watch", lambda *_: SimpleNamespace(look=lambda: Look(done=False)))
    notes = Notes()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({"ti": notes, "run_id": "r1"})
    assert asked == [("r1", {"ticket": vars(TICKET), "prepare_job": "prepare-1"})]
    assert notes.pushed == {"job": "digits-tune-1", "job_link": "job/digits-tune-1", "study_link": "page/digits-tune-1"}
    trigger = deferred.value.trigger
    assert (trigger.kind, trigger.payload["study"]) == ("study", "digits-tune-1")
    assert trigger.payload["claim"]["run_id"] == "r1"


def test_leaves_the_best_trial_s_job(task, monkeypatch):
    ending(monkeypatch, replace(STUDY, trials=TRIALS))
    event = {"study": STUDY.name, "state": "succeeded", "message": ""}
    assert task.resume({}, event) == {"job": "job-1", "study": "digits-tune-1", "trial": 1}


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        ({"state": "stopped"}, AirflowFailException, r"was stopped.*user acts"),
        ({"state": "failed"}, AirflowFailException, r"failed: all broke.*developer acts"),
        ({"state": "succeeded"}, AirflowFailException, r"no trial gave accuracy.*developer acts"),
        ({"error": "no answer", "actor": "operator"}, AirflowException, r"cannot see the study.*operator acts"),
    ],
)
def test_a_study_without_a_model_is_red_and_says_who_acts(task, monkeypatch, event, kind, words):
    ending(monkeypatch, replace(STUDY, trials=TRIALS[1:]))
    with pytest.raises(kind, match=words):
        task.resume({}, {"study": STUDY.name, "message": "all broke", **event})
