"""The gate's task: one digest in the form, one record from the answer, and no question twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskAwaitingInput
from airflow.sdk.execution_time import task_runner

from operators.approve import ApproveModelOperator
from ratchet.approval import Decision
from ratchet.clock import SystemClock
from ratchet.data import Claim, ClaimState
from ratchet.errors import ApprovalError, UnavailableError
from ratchet.loop import gate

DIGEST, OTHER = "ab" * 32, "cd" * 32
TICKET = {"granted": True, "reason": "new", "dataset_version": "d" * 64, "identity": "i"}


@dataclass
class Approvals:
    """Remembers decisions the way the registry would: bound to the digest, the approvers, and the first one stands."""

    kept: Decision | None = None
    expired: list[str] = field(default_factory=list)
    away: bool = False

    def find(self, model, version):
        if self.away:
            raise UnavailableError("DynamoDB is away")
        return self.kept

    def record(self, model, version, *, digest, approved, who, comment, approvers, via):
        if digest != DIGEST:
            raise ApprovalError(f"the answer is about artefact {digest[:12]}")
        if who not in approvers:
            raise ApprovalError(f"{who or 'an unknown person'} may not decide")
        self.kept = Decision(model, version, digest, approved, who, comment, tuple(approvers), via, "2030")
        return self.kept

    def expire(self, model, version, reason):
        self.expired.append(reason)


@dataclass
class Claims:
    outcomes: list[str] = field(default_factory=list)
    held_seconds: list[float] = field(default_factory=list)
    lease: timedelta = timedelta(hours=24)

    def finish(self, key, *, holder, outcome):
        self.outcomes.append(outcome)

    def renew(self, key, *, holder, extra_seconds):
        self.held_seconds.append(extra_seconds)
        return Claim(True, holder, ClaimState.IN_PROGRESS, 1, "renewed")


@dataclass
class Notes:
    """Plays the task instance: what earlier tasks left, and what this one leaves."""

    left: dict[str, Any]
    pushed: dict[str, Any] = field(default_factory=dict)
    id: Any = field(default_factory=uuid4)

    def xcom_pull(self, task_ids):
        return self.left.get(task_ids)

    def xcom_push(self, key, value):
        self.pushed[key] = value


@dataclass
class Supervisor:
    """Takes what a task tells its supervisor."""

    messages: list[Any] = field(default_factory=list)

    def send(self, msg):
        self.messages.append(msg)


def make_workshop() -> Any:
    return SimpleNamespace(
        pipeline=SimpleNamespace(
            name="digits",
            model_name="digits",
            approval=SimpleNamespace(approvers=("alice", "bob"), timeout_hours=72.0),
        ),
        clock=SystemClock(),
        approvals=Approvals(),
        claims=Claims(),
        registry=SimpleNamespace(get=lambda model, version: SimpleNamespace(evaluation={"report_uri": "s3://m/r"})),
        page_of=lambda uri: f"http://console/{uri}",
    )


class Gate(ApproveModelOperator):
    """The operator in a workshop of the test's."""

    shop: Any = None

    def _workshop(self):
        return self.shop


@pytest.fixture
def supervisor(monkeypatch):
    supervisor = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    dossier = SimpleNamespace(subject="Release digits 3?", markdown="# read this", digest=DIGEST)
    monkeypatch.setattr(gate, "write_dossier", lambda workshop, version, links: dossier)
    return supervisor


@pytest.fixture
def task():
    task = Gate(task_id="approve", pipeline="digits", approvers=["alice", "bob"], timeout_hours=72)
    task.shop = make_workshop()
    return task


def make_context():
    notes = Notes({"decide": {"version": 3}, "freeze": TICKET})
    return {"ti": notes, "task_instance": notes, "run_id": "r1"}


def answer(word="Approve", who="alice", digest=DIGEST):
    return {
        "chosen_options": [word],
        "params_input": {"digest": digest, "comment": "seen"},
        "responded_by_user": {"id": who, "name": who},
        "responded_at": None,
        "timedout": False,
    }


def test_the_form_offers_exactly_one_digest_to_exactly_the_approvers(task, supervisor):
    with pytest.raises(TaskAwaitingInput) as parked:
        task.execute(make_context())
    assert parked.value.timeout.total_seconds() == 72 * 3600
    (asked,) = supervisor.messages
    schema = asked.params["digest"]["schema"]
    assert (schema["enum"], asked.params["digest"]["value"]) == ([DIGEST], DIGEST)
    assert sorted(asked.params) == ["comment", "digest"]
    assert [user.id for user in asked.assigned_users] == ["alice", "bob"]
    assert (asked.subject, asked.body, asked.options) == ("Release digits 3?", "# read this", ["Approve", "Reject"])
    assert not asked.defaults


def test_the_report_is_one_click_away(task, supervisor):
    context = make_context()
    with pytest.raises(TaskAwaitingInput):
        task.execute(context)
    assert context["ti"].pushed == {"report_link": "http://console/s3://m/r"}


def test_a_yes_becomes_a_record_and_goes_on_with_names_only(task):
    left = task.execute_complete(make_context(), answer())
    assert left == {"version": 3, "digest": DIGEST, "who": "alice"}
    assert task.shop.approvals.kept.comment == "seen"
    assert task.shop.claims.outcomes == []


def test_a_no_is_a_result_that_closes_the_claim(task):
    with pytest.raises(AirflowSkipException, match="rejected by bob: seen"):
        task.execute_complete(make_context(), answer("Reject", "bob"))
    assert task.shop.approvals.kept.approved is False
    assert task.shop.claims.outcomes == ["rejected"]


@pytest.mark.parametrize(
    "event",
    [
        answer(digest=OTHER),
        answer(digest=""),
        answer(who="mallory"),
        answer() | {"params_input": None},
        answer() | {"responded_by_user": None},
    ],
)
def test_an_answer_about_another_artefact_or_by_a_stranger_is_an_error(task, event):
    with pytest.raises(AirflowFailException, match="user acts"):
        task.execute_complete(make_context(), event)
    assert task.shop.approvals.kept is None


@pytest.mark.parametrize("words", [[], ["Reject", "Whatever"], ["approve"]])
def test_what_is_no_clear_yes_is_a_no(task, words):
    with pytest.raises(AirflowSkipException):
        task.execute_complete(make_context(), answer() | {"chosen_options": words})
    assert task.shop.approvals.kept.approved is False


def test_silence_expires_and_never_means_yes(task):
    event = {"error": "The response timeout has passed", "error_type": "timeout"}
    with pytest.raises(AirflowSkipException, match="expired"):
        task.execute_complete(make_context(), event)
    assert task.shop.approvals.expired == ["nobody answered in time"]
    assert task.shop.approvals.kept is None
    assert task.shop.claims.outcomes == ["expired"]


def test_a_gate_that_broke_fails_and_says_how_to_ask_again(task):
    with pytest.raises(AirflowFailException, match="clear this task"):
        task.execute_complete(make_context(), {"error": "boom", "error_type": "unknown"})


@pytest.mark.parametrize("approved", [True, False])
def test_a_decision_that_stands_is_not_asked_for_again(task, supervisor, approved):
    task.shop.approvals.kept = Decision("digits", 3, DIGEST, approved, "alice", "", ("alice",), "airflow", "2030")
    if approved:
        assert task.execute(make_context())["who"] == "alice"
    else:
        with pytest.raises(AirflowSkipException, match="rejected by alice: no comment"):
            task.execute(make_context())
    assert supervisor.messages == []


def test_nobody_is_asked_while_it_is_unknown_whether_somebody_answered(task, supervisor):
    task.shop.approvals.away = True
    with pytest.raises(AirflowException, match=r"DynamoDB is away.*retry acts"):
        task.execute(make_context())
    assert supervisor.messages == []


def test_nothing_to_decide_about_is_said_with_its_mend(task, supervisor):
    context = make_context()
    context["ti"].left = {}
    with pytest.raises(AirflowFailException, match="clear decide"):
        task.execute(context)
    assert supervisor.messages == []


def test_the_dag_s_own_form_is_no_part_of_the_answer(supervisor):
    form = {"force": False, "reason": ""}
    task = Gate(task_id="approve", pipeline="digits", approvers=["alice"], timeout_hours=1, params=form)
    task.shop = make_workshop()
    with pytest.raises(TaskAwaitingInput):
        task.execute(make_context())
    assert sorted(supervisor.messages[0].params) == ["comment", "digest"]
