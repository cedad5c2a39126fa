"""The one trigger: waits before it looks, tells the end once, bears an outage for a while, and stops remote work."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from operators.base import airflow_errors
from operators.job import RunJobOperator
from operators.poll import PollTrigger
from ratchet.errors import (
    ApprovalError,
    ArtefactError,
    CapacityError,
    ConflictError,
    DataError,
    SpecError,
    UnavailableError,
)
from ratchet.loop.watch import Look

PATIENCE = 20


@dataclass
class Watch:
    """Shows what it was given, in order; an error is raised instead."""

    looks: list[Look | Exception]
    seen: list[str] = field(default_factory=list)

    def look(self) -> Look:
        self.seen.append("look")
        found = self.looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def cancel(self) -> None:
        self.seen.append("cancel")


class Trigger(PollTrigger):
    """The trigger with a watch of the test's; opening it may fail, too."""

    watch: Any = None
    openings: tuple[Exception | None, ...] = ()

    def _open(self) -> Any:
        failure, *self.openings = self.openings or (None,)
        if failure is not None:
            raise failure
        return self.watch


def make(*looks, openings=()):
    trigger = Trigger("job", "digits", {"job": "j"}, poll_seconds=0.001)
    trigger.watch, trigger.openings = Watch(list(looks)), openings
    return trigger


def events(trigger):
    async def collect():
        return [event.payload async for event in trigger.run()]

    return asyncio.run(asyncio.wait_for(collect(), 30))


def test_tells_the_end_once_in_names_only():
    trigger = make(Look(False, "Training"), Look(False, "Training"), Look(True, "Completed", outcome={"job": "j"}))
    assert events(trigger) == [{"job": "j"}]
    assert trigger.watch.seen == ["look"] * 3


def test_waits_before_the_first_look():
    trigger = make(Look(True))
    trigger.poll_seconds = 3600.0

    async def start():
        await asyncio.wait_for(anext(trigger.run()), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(start())
    assert trigger.watch.seen == []


def test_bears_an_outage_and_goes_on():
    away = [UnavailableError("away")] * PATIENCE
    assert events(make(*away, Look(False), *away, Look(True, outcome={"job": "j"}))) == [{"job": "j"}]


def test_bears_an_outage_also_before_there_is_anything_to_look_at():
    trigger = make(Look(True, outcome={"job": "j"}), openings=(UnavailableError("away"), UnavailableError("away")))
    assert events(trigger) == [{"job": "j"}]


def test_gives_up_when_the_outage_does_not_end():
    trigger = make(*[UnavailableError("away for good")] * 100)
    assert events(trigger) == [{"error": "away for good", "actor": "retry"}]
    assert len(trigger.watch.seen) == PATIENCE + 1


def test_a_defect_is_not_borne():
    with pytest.raises(ZeroDivisionError):
        events(make(ZeroDivisionError()))


def test_ends_the_remote_work_when_a_person_ends_the_task():
    trigger = make()
    asyncio.run(trigger.on_kill())
    assert trigger.watch.seen == ["cancel"]


def test_is_built_again_elsewhere_from_what_it_serialises():
    path, arguments = PollTrigger("job", "digits", {"job": "j"}, 2.5).serialize()
    assert path == f"{PollTrigger.__module__}.{PollTrigger.__qualname__}"
    again = PollTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)


@pytest.mark.parametrize("error", [ConflictError("x"), UnavailableError("x"), CapacityError("x")])
def test_what_a_retry_may_mend_is_tried_again(error):
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise error
    assert not isinstance(caught.value, AirflowFailException)
    assert f"[{error.actor.value} acts]" in str(caught.value)


@pytest.mark.parametrize("error", [SpecError("x"), DataError("x"), ApprovalError("x"), ArtefactError("x")])
def test_what_a_retry_would_repeat_is_not_tried_again(error):
    with pytest.raises(AirflowFailException, match=f"{error.actor.value} acts"), airflow_errors():
        raise error


class Job(RunJobOperator):
    """A job step whose wait has ended."""

    def _keep_report(self, context, job):
        return "s3://report"


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        ({"error": "away", "actor": "retry"}, AirflowException, "cannot see the job any more: away"),
        ({"job": "j", "state": "failed", "message": "no memory"}, AirflowFailException, "j failed: no memory"),
        ({"job": "j", "state": "stopped", "message": ""}, AirflowFailException, "j was stopped"),
    ],
)
def test_a_job_that_ended_badly_fails_its_task_with_the_reason(event, kind, words):
    with pytest.raises(kind, match=words) as caught:
        Job(task_id="train", step="train", pipeline="digits").resume({}, event)
    assert type(caught.value) is kind


def test_a_job_that_ended_well_leaves_its_name():
    event = {"job": "j", "state": "succeeded", "message": ""}
    assert Job(task_id="train", step="train", pipeline="digits").resume({}, event) == {"job": "j"}
    left = Job(task_id="evaluate", step="evaluate", pipeline="digits").resume({}, event)
    assert left == {"job": "j", "report": "s3://report"}


def test_deferring_is_no_error_that_could_be_translated():
    with pytest.raises(TaskDeferred), airflow_errors():
        raise TaskDeferred(trigger=PollTrigger("job", "digits", {}, 1.0), method_name="resume")
