"""What every release target keeps, found by its file: one suite for all, on localcloud's real processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest

from ratchet.registry import ModelVersion
from ratchet.rollout import alarm
from ratchet.rollout.example import Example
from ratchet.rollout.machine import Observed, Outcome
from ratchet.rollout.plan import Candidate, Verb
from ratchet.rollout.question import about_image
from ratchet.rollout.targets import Shift, Target, list_actions, make_target, target_names
from tests.functional.rollout.rollout_stack import Door, Stack

EXAMPLES = [Example(about_image(label.encode()), label) for label in "71"]
LIMIT_SECONDS = 90.0


@dataclass
class Place:
    """A target of the stack, and how a candidate gets there."""

    stack: Stack
    name: str
    target: Target

    def candidate(self, **faults: str) -> Candidate:
        version: ModelVersion = self.stack.approved(**faults)
        return Candidate(version.model, version.version, version.digest, version.uri)

    def prepare(self, candidate: Candidate) -> str:
        return self.until_done(lambda _: self.target.prepare(candidate)).revision

    def shift(self, revision: str, percent: float, before: dict[str, Any]) -> Outcome:
        return self.until_done(lambda asked: self.target.shift(Shift(revision, percent, 1, before, asked)))

    def go_live(self, candidate: Candidate) -> dict[str, Any]:
        self.shift(self.prepare(candidate), 100, self.target.observe())
        return self.target.observe()

    def until_done(self, verb: Callable[[bool], Outcome]) -> Outcome:
        """Repeat a verb as the controller does."""
        deadline, asked = time.monotonic() + LIMIT_SECONDS, False
        while (outcome := verb(asked)).observed is Observed.WAITING:
            asked = asked or outcome.asked
            assert time.monotonic() < deadline, outcome
            time.sleep(0.1)
        assert outcome.observed is Observed.DONE, outcome
        return outcome


@pytest.fixture(params=target_names())
def place(request: pytest.FixtureRequest, stack: Stack) -> Place:
    return Place(stack, request.param, make_target(request.param, stack.aws, stack.deployment))


def test_says_what_is_live_in_plain_json(place):
    seen = place.target.observe()
    assert {"model_version", "digest"} <= set(seen)
    assert json.loads(json.dumps(seen)) == seen
    assert json.loads(json.dumps(place.target.inspect())) == place.target.inspect()


def test_preparing_again_finds_what_was_prepared_and_touches_no_traffic(place):
    before, candidate = place.target.observe(), place.candidate()
    first = place.prepare(candidate)
    assert first
    assert place.prepare(candidate) == first
    assert place.target.observe() == before


def test_each_candidate_has_a_revision_of_its_own(place):
    assert place.prepare(place.candidate()) != place.prepare(place.candidate())


def test_a_candidate_that_went_live_is_seen_and_answers(place):
    before, candidate = place.target.observe(), place.candidate()
    revision = place.prepare(candidate)
    place.until_done(lambda _: place.target.try_out(candidate, revision, EXAMPLES))
    place.shift(revision, 100, before)
    seen = place.target.observe()
    assert (seen["model_version"], seen["digest"]) == (str(candidate.version), candidate.digest)
    shift = Shift(revision, 100, 1, before)
    assert place.target.check(candidate, shift, EXAMPLES).observed is Observed.DONE


def test_shifting_again_changes_nothing(place):
    before, candidate = place.target.observe(), place.candidate()
    revision = place.prepare(candidate)
    place.shift(revision, 100, before)
    live = place.target.observe()
    assert place.target.shift(Shift(revision, 100, 1, before, asked=True)).observed is Observed.DONE
    assert place.target.observe() == live


def test_wrong_answers_fail_and_missing_ones_are_doubted(place):
    for fault, expected in (("wrong", Observed.FAILED), ("error", Observed.DOUBTFUL)):
        before, candidate = place.target.observe(), place.candidate(**{place.name: fault})
        revision = place.prepare(candidate)
        place.shift(revision, 100, before)
        assert place.target.check(candidate, Shift(revision, 100, 1, before), EXAMPLES).observed is expected


def test_restoring_brings_back_what_was_observed_and_may_be_repeated(place):
    champion = place.go_live(place.candidate())
    revision = place.prepare(place.candidate())
    place.shift(revision, 100, champion)
    assert place.target.observe() != champion
    for _ in range(2):
        place.until_done(lambda _: place.target.restore(champion))
        assert place.target.observe() == champion


def test_restoring_in_the_middle_of_a_shift_brings_back_too(place):
    champion = place.go_live(place.candidate())
    revision = place.prepare(place.candidate())
    place.target.shift(Shift(revision, 100, 1, champion))
    place.until_done(lambda _: place.target.restore(champion))
    assert place.target.observe() == champion


def test_a_share_of_the_traffic_leaves_the_champion_where_it_is(place):
    if not place.target.splits_traffic:
        pytest.skip("it cannot split its traffic")
    champion = place.go_live(place.candidate())
    candidate = place.candidate()
    revision = place.prepare(candidate)
    place.shift(revision, 20, champion)
    assert place.target.observe()["digest"] == champion["digest"]
    assert place.target.check(candidate, Shift(revision, 20, 1, champion), EXAMPLES).observed is Observed.DONE
    place.until_done(lambda _: place.target.restore(champion))
    assert place.target.observe() == champion


def test_tells_what_every_verb_calls_and_which_resource_it_changes(place):
    told = {Verb.PREPARE, Verb.SHIFT, Verb.CHECK, Verb.CONFIRM} | ({Verb.TRY} if place.target.splits_traffic else set())
    assert set(place.target.calls) == told
    assert place.target.resource


@pytest.mark.parametrize("name", target_names())
def test_every_action_is_granted_by_the_template(granted, name):
    assert set(list_actions(name)) <= granted


def test_looking_at_the_alarms_is_granted_by_the_template(granted):
    assert set(alarm.IAM_ACTIONS) <= granted


@pytest.mark.parametrize("name", target_names())
def test_calls_nothing_but_the_actions_that_it_names(stack, name):
    door = Door(stack.url)
    place = Place(stack, name, make_target(name, cast(Any, door), stack.deployment))
    champion = place.go_live(place.candidate())
    place.target.inspect()
    candidate = place.candidate()
    revision = place.prepare(candidate)
    place.target.try_out(candidate, revision, EXAMPLES)
    place.shift(revision, 100, champion)
    place.target.check(candidate, Shift(revision, 100, 1, champion), EXAMPLES)
    place.until_done(lambda _: place.target.restore(champion))
    assert door.actions == set(list_actions(name)) - {"iam:PassRole"}
