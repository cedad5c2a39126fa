"""Approvals over moto: the right person, the right artefact, once; and no release without them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from domain_world import APPROVERS, DEPLOYMENT

from ratchet.aws.marshal import marshal
from ratchet.errors import ApprovalError
from ratchet.naming import approval_sk, model_pk
from ratchet.registry import Stage


@pytest.fixture
def passed(world):
    return world.pass_gates(world.register())


def forge(world, **changes):
    """Change the approval's item behind everybody's back."""
    world.door.client("dynamodb").update_item(
        TableName=DEPLOYMENT.registry_table,
        Key={"pk": {"S": model_pk("digits")}, "sk": {"S": approval_sk(1)}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in changes),
        ExpressionAttributeNames={f"#{name}": name for name in changes},
        ExpressionAttributeValues={f":{name}": marshal(value) for name, value in changes.items()},
    )


def test_a_yes_is_recorded_with_who_when_why_and_what(world, passed):
    decision = world.decide(passed)
    assert world.approvals.find("digits", 1) == decision
    assert (decision.who, decision.comment, decision.via) == ("alice", "looks right", "airflow")
    assert (decision.digest, decision.approvers) == (passed.digest, APPROVERS)
    version = world.registry.get("digits", 1)
    assert (version.stage, version.reason) == (Stage.APPROVED, "looks right")
    assert world.registry.history("digits")[-1].actor == "alice"


def test_a_no_is_a_result(world, passed):
    decision = world.decide(passed, approved=False)
    assert not decision.approved
    assert world.registry.get("digits", 1).stage is Stage.REJECTED


@pytest.mark.parametrize("who", ["mallory", "", "Alice", "alice "])
def test_nobody_else_may_decide(world, passed, who):
    with pytest.raises(ApprovalError, match="its approvers are alice, bob"):
        world.decide(passed, who=who)
    assert world.approvals.find("digits", 1) is None
    assert world.registry.get("digits", 1).stage is Stage.PASSED


@pytest.mark.parametrize("digest", ["f" * 64, "cut"])
def test_an_answer_about_another_artefact_is_refused(world, passed, digest):
    with pytest.raises(ApprovalError, match="read the new dossier and answer again"):
        world.decide(passed, digest=digest)
    assert world.registry.get("digits", 1).stage is Stage.PASSED


def test_an_answer_that_names_no_artefact_is_refused(world, passed):
    with pytest.raises(ApprovalError, match="about artefact none"):
        world.approvals.record(
            "digits", 1, digest="", approved=True, who="alice", comment="", approvers=APPROVERS, via="airflow"
        )


def test_only_a_passed_version_waits_for_a_decision(world):
    version = world.register()
    with pytest.raises(ApprovalError, match="is candidate"):
        world.decide(version)


def test_the_same_answer_again_is_the_same_decision(world, passed):
    first = world.decide(passed)
    world.clock.pass_by(hours=1)
    assert world.decide(passed) == first


def test_the_first_decision_stands(world, passed):
    world.decide(passed)
    with pytest.raises(ApprovalError, match=r"was approved by alice at .*; the first decision stands"):
        world.decide(passed, approved=False, who="bob")
    assert world.registry.get("digits", 1).stage is Stage.APPROVED


def test_of_twenty_answers_at_once_one_has_effect(world, passed):
    def answer(number):
        try:
            return world.decide(passed, approved=number % 2 == 0, who=APPROVERS[number % 4 // 2])
        except ApprovalError:
            return None

    with ThreadPoolExecutor(20) as pool:
        decisions = [decision for decision in pool.map(answer, range(20)) if decision]
    # The winner's own doubles are told of the same decision.
    assert len({(decision.who, decision.approved) for decision in decisions}) == 1
    moves = [event for event in world.registry.history("digits") if event.detail.get("before") == "passed"]
    assert len(moves) == 1


def test_an_expired_question_cannot_be_answered(world, passed):
    assert world.approvals.expire("digits", 1, "nobody answered").stage is Stage.EXPIRED
    assert world.approvals.expire("digits", 1, "nobody answered").stage is Stage.EXPIRED
    with pytest.raises(ApprovalError, match="is expired"):
        world.decide(passed)
    with pytest.raises(ApprovalError, match="nobody has decided"):
        world.approvals.require("digits", 1, passed.digest)


def test_an_answered_question_cannot_expire(world, passed):
    world.decide(passed)
    with pytest.raises(ApprovalError, match="cannot expire: it is approved"):
        world.approvals.expire("digits", 1, "too late")


def test_a_release_may_rely_on_an_approval_all_the_way_and_for_a_rollback(world, passed):
    decision = world.decide(passed)
    require = lambda: world.approvals.require("digits", 1, passed.digest)  # noqa: E731 - said four times below
    assert require() == decision
    world.release(passed)
    assert require() == decision
    world.promote(passed)
    assert require() == decision
    world.crown("two")
    assert require() == decision


def test_requires_a_record_whatever_the_stage_says(world, passed):
    world.registry.move("digits", 1, Stage.APPROVED, expected=Stage.PASSED, actor="airflow", reason="marked green")
    with pytest.raises(ApprovalError, match="nobody has decided"):
        world.approvals.require("digits", 1, passed.digest)


def test_requires_exactly_the_approved_artefact(world, passed):
    world.decide(passed)
    with pytest.raises(ApprovalError, match="the release is of ffffffffffff"):
        world.approvals.require("digits", 1, "f" * 64)


def test_a_rejected_version_is_never_released(world, passed):
    world.decide(passed, approved=False)
    with pytest.raises(ApprovalError, match="alice rejected it"):
        world.approvals.require("digits", 1, passed.digest)


def test_a_version_that_was_rolled_back_needs_to_be_trained_and_approved_anew(world):
    version = world.prepare_release("one")
    world.registry.move(
        "digits", 1, Stage.ROLLED_BACK, expected=Stage.RELEASING, actor="run r1", reason="smoke test failed"
    )
    with pytest.raises(ApprovalError, match=r"it is rolled_back \(smoke test failed\)"):
        world.approvals.require("digits", 1, version.digest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"who": "mallory"}, "not among the approvers"),
        ({"digest": "f" * 64}, "the approval is of artefact ffffffffffff"),
        ({"approved": False}, "alice rejected it"),
    ],
)
def test_a_record_that_does_not_hold_together_releases_nothing(world, passed, changes, message):
    world.decide(passed)
    forge(world, **changes)
    with pytest.raises(ApprovalError, match=message):
        world.approvals.require("digits", 1, passed.digest)


def test_a_comment_is_kept_as_text_that_can_be_stored(world, passed):
    decision = world.approvals.record(
        "digits",
        1,
        digest=passed.digest,
        approved=True,
        who="alice",
        comment="good\x00 \ud800<b>\n" + "x" * 5000,
        approvers=APPROVERS,
        via="airflow",
    )
    assert world.approvals.find("digits", 1) == decision
    assert decision.comment.startswith("good ?<b>\nxxx")
    assert len(decision.comment) == 2000
