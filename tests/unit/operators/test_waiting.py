"""Waiting in a worker or in the triggerer: the same looks, the same end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

from operators import poll
from operators.freeze import FreezeDatasetOperator
from operators.poll import WaitingOperator
from operators.release import ReleaseModelOperator
from operators.settle import SettleClaimOperator
from ratchet.errors import UnavailableError
from ratchet.loop import step
from ratchet.loop.ticket import Ticket
from ratchet.loop.watch import Look

TICKET = Ticket(True, "a new version", "d" * 64, identity="i")


@dataclass
class HandClock:
    moment: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class Watch:
    looks: list[Look]
    cancelled: int = 0

    def look(self) -> Look:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def cancel(self) -> None:
        self.cancelled += 1


@dataclass
class Claims:
    outcomes: list[str] = field(default_factory=list)

    def finish(self, key, *, holder, outcome):
        self.outcomes.append(outcome)


@dataclass
class Notes:
    left: dict[str, Any]
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_pull(self, task_ids):
        return self.left.get(task_ids)

    def xcom_push(self, key, value):
        self.pushed[key] = value


def make_shop() -> Any:
    data = SimpleNamespace(dataset="digits", quiet_seconds=60.0, max_wait_seconds=3600.0)
    return SimpleNamespace(
        clock=HandClock(),
        settings=SimpleNamespace(poll_seconds=10.0),
        pipeline=SimpleNamespace(name="digits", data=data),
        claims=Claims(),
        datasets=SimpleNamespace(ask_time=lambda dataset: datetime(2030, 1, 1, tzinfo=UTC)),
    )


class Waiter(WaitingOperator):
    """Waits for whatever the test shows it, and leaves how that ended."""

    watch_kind = "job"
    shop: Any = None

    def workshop(self) -> Any:
        return self.shop

    def resume(self, context, event):
        return event


class Freezer(FreezeDatasetOperator):
    shop: Any = None

    def workshop(self) -> Any:
        return self.shop


class Releaser(ReleaseModelOperator):
    shop: Any = None

    def workshop(self) -> Any:
        return self.shop


class Settler(SettleClaimOperator):
    shop: Any = None

    def workshop(self) -> Any:
        return self.shop


def make(kind, **more):
    task = kind(task_id="task", pipeline="digits", **more)
    task.shop = make_shop()
    return task


@pytest.fixture
def show(monkeypatch):
    """Let every watch that is opened be one that shows these looks."""

    def show(*looks: Look) -> Watch:
        watch = Watch(list(looks))
        monkeypatch.setattr(poll, "open_watch", lambda kind, pipeline, payload: watch)
        return watch

    return show


def context_of(**params):
    run = SimpleNamespace(conf=params, triggering_user_name="alice")
    form = {"dataset_version": "", "force": False, "reason": ""}
    return {"ti": Notes({"freeze": vars(TICKET)}), "run_id": "r1", "params": form | params, "dag_run": run}


WORKING, DONE = Look(False, "working"), Look(True, "done", outcome={"state": "succeeded"})


@pytest.mark.parametrize("deferrable", [True, False])
def test_what_is_done_already_is_not_waited_for(show, deferrable):
    show(DONE)
    task = make(Waiter, deferrable=deferrable)
    assert task.wait({}, {"job": "j"}, limit_seconds=60) == {"state": "succeeded"}
    assert task.shop.clock.slept == []


def test_hands_the_waiting_to_the_triggerer_with_an_end(show):
    show(WORKING)
    with pytest.raises(TaskDeferred) as deferred:
        make(Waiter).wait({}, {"job": "j"}, limit_seconds=60, least_poll_seconds=30)
    trigger = deferred.value.trigger
    assert (trigger.kind, trigger.pipeline, trigger.payload, trigger.poll_seconds) == (
        "job",
        "digits",
        {"job": "j"},
        30,
    )
    assert deferred.value.method_name == "resume"
    assert deferred.value.timeout > timedelta(seconds=60)


def test_waits_itself_when_it_is_told_to(show):
    show(WORKING, WORKING, DONE)
    task = make(Waiter, deferrable=False)
    assert task.wait({}, {"job": "j"}, limit_seconds=60) == {"state": "succeeded"}
    assert task.shop.clock.slept == [10.0, 10.0]


def test_gives_up_at_the_limit_and_ends_the_remote_work(show):
    watch = show(WORKING)
    task = make(Waiter, deferrable=False)
    assert task.wait({}, {"job": "j"}, limit_seconds=60) == {"error": "not done after 60 s", "actor": "operator"}
    assert watch.cancelled == 1


def test_killing_the_task_ends_the_remote_work(show):
    watch = show(WORKING)
    task = make(Waiter)
    task.on_kill()
    with pytest.raises(TaskDeferred):
        task.wait({}, {"job": "j"}, limit_seconds=60)
    task.on_kill()
    assert watch.cancelled == 1


def test_freezing_waits_for_stillness_no_more_often_than_it_can_tell(show):
    show(WORKING)
    with pytest.raises(TaskDeferred) as deferred:
        make(Freezer).execute(context_of())
    assert deferred.value.trigger.poll_seconds == 30.0


@pytest.fixture
def freeze(monkeypatch):
    """Answer every freeze with a ticket, and keep what was asked for."""
    asked = []

    def answer_with(ticket: Ticket) -> list[Any]:
        monkeypatch.setattr(step, "freeze", lambda shop, request, fingerprint: asked.append(request) or ticket)
        return asked

    return answer_with


def test_a_version_that_a_person_named_is_taken_at_once(freeze):
    asked = freeze(TICKET)
    left = make(Freezer).execute(context_of(dataset_version="d" * 64, force=True, reason="again"))
    assert left == vars(TICKET)
    assert vars(asked[0]) == {
        "run_id": "r1",
        "dataset_version": "d" * 64,
        "force": True,
        "reason": "again",
        "who": "alice",
        "no_reuse": False,
    }


@pytest.mark.parametrize("wrong", [{"force": True}, {"dataset_version": "dddd"}, {"dataset": "digits"}])
def test_a_wrong_request_ends_the_run_before_anything_is_done(wrong):
    with pytest.raises(AirflowFailException, match="user acts"):
        make(Freezer).execute(context_of(**wrong))


def test_nothing_new_is_a_result_with_its_reason(freeze):
    freeze(Ticket(False, "version dddd is trained"))
    context = context_of()
    with pytest.raises(AirflowSkipException, match="nothing to do: version dddd is trained"):
        make(Freezer).resume(context, {"reason": "still"})
    assert context["ti"].pushed == {"reason": "version dddd is trained"}


def test_a_prefix_that_cannot_be_seen_is_tried_again():
    with pytest.raises(AirflowException, match=r"away.*retry acts") as caught:
        make(Freezer).resume(context_of(), {"error": "away", "actor": "retry"})
    assert not isinstance(caught.value, AirflowFailException)


def test_a_healthy_release_goes_on():
    event = {"phase": "Healthy", "message": "", "version": 3}
    assert make(Releaser).resume(context_of(), event) == {"version": 3}


def test_a_release_that_was_sent_back_fails_and_closes_the_claim():
    task = make(Releaser)
    event = {"phase": "Degraded", "message": "wrong answers; 2 serves", "version": 3}
    with pytest.raises(AirflowFailException, match="version 3 was rolled back: wrong answers; 2 serves"):
        task.resume(context_of(), event)
    assert task.shop.claims.outcomes == ["rolled_back"]


def test_a_release_that_cannot_be_seen_is_looked_at_again_and_keeps_its_claim():
    task = make(Releaser)
    with pytest.raises(AirflowException, match="cannot go on now: away"):
        task.resume(context_of(), {"error": "away", "actor": "retry"})
    assert task.shop.claims.outcomes == []


def test_a_failed_run_gives_its_claim_back():
    task = make(Settler)
    task.execute(context_of())
    assert task.shop.claims.outcomes == ["failed"]


def test_a_run_that_never_got_a_claim_has_none_to_give_back():
    task = make(Settler)
    context = context_of()
    context["ti"].left = {}
    task.execute(context)
    assert task.shop.claims.outcomes == []


def test_a_claim_that_cannot_be_closed_now_is_closed_by_a_retry():
    task = make(Settler)

    def fail(*_, **__):
        raise UnavailableError("DynamoDB is away")

    task.shop.claims.finish = fail
    with pytest.raises(AirflowException, match="retry acts"):
        task.execute(context_of())
