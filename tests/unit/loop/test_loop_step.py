"""The loop's verbs: what check says, and what begin_release refuses."""

from __future__ import annotations

import pytest
from loop_parts import DIGEST, Ramp, Shop, Vault, make_version

from ratchet.approval import Decision
from ratchet.errors import ApprovalError
from ratchet.loop.gate import begin_release
from ratchet.loop.ticket import Ticket
from ratchet.registry import Stage

YES = Decision("digits", 1, DIGEST, True, "alice", "", ("alice",), "airflow", "2030")


def release(version, decided=YES, digest=DIGEST):
    vault = Vault(version, decided)
    shop = Shop(registry=vault, approvals=vault, releases=Ramp())
    try:
        return begin_release(shop, version.version, digest, run_id="r1"), shop.releases.begun
    except ApprovalError as error:
        return str(error), shop.releases.begun


def test_an_approved_version_is_released_in_the_approver_s_name():
    plan, begun = release(make_version())
    assert begun == [(1, "r1", "alice")]
    assert DIGEST[:12] in plan


def test_nothing_is_released_without_a_decision():
    assert release(make_version(), decided=None) == ("nobody has decided", [])


def test_nothing_is_released_that_is_not_what_the_run_registered():
    message, begun = release(make_version(digest="cd" * 32))
    assert begun == []
    assert "cdcdcdcdcdcd" in message
    assert "approve the artefact that is in the registry now" in message


@pytest.mark.parametrize(
    "stage", [Stage.CANDIDATE, Stage.PASSED, Stage.BLOCKED, Stage.REJECTED, Stage.EXPIRED, Stage.ROLLED_BACK]
)
def test_nothing_is_released_from_a_stage_off_the_way(stage):
    message, begun = release(make_version(stage=stage))
    assert begun == []
    assert f"is {stage}" in message


@pytest.mark.parametrize("stage", [Stage.RELEASING, Stage.CHAMPION])
def test_a_release_that_began_is_found_again(stage):
    assert release(make_version(stage=stage))[1] == [(1, "r1", "alice")]


def test_a_ticket_survives_the_way_from_task_to_task():
    ticket = Ticket(True, "new", "v", "s3://c", "d", "g", "i", "n")
    assert Ticket.from_json(vars(ticket)) == ticket
