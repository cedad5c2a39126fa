"""The plan: the order of its steps, what a person reads of it, and that it survives being stored."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.rollout.plan import Candidate, Plan, Step, Verb, order_steps, print_plan

NAMES = ["ecs", "lambda", "edge"]


@st.composite
def releases(draw):
    targets = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    splitting = draw(st.lists(st.sampled_from(targets), unique=True))
    return targets, {name: draw(st.sampled_from([0.0, 1.0, 10.0, 50.0, 100.0])) for name in splitting}


@given(releases())
def test_nothing_gets_traffic_before_everything_is_prepared_and_tried(release):
    verbs = [step.verb for step in order_steps(*release)]
    first_shift = verbs.index(Verb.SHIFT)
    assert not {Verb.PREPARE, Verb.TRY} & set(verbs[first_shift:])


@given(releases())
def test_every_shift_is_checked_before_the_next(release):
    steps = order_steps(*release)
    for step, following in pairwise(steps):
        if step.verb is Verb.SHIFT:
            assert following == Step(step.target, Verb.CHECK, step.percent)


@given(releases())
def test_every_target_ends_with_all_the_traffic_and_is_confirmed(release):
    targets, _ = release
    steps = order_steps(*release)
    assert [step.target for step in steps if step.verb is Verb.CONFIRM] == targets
    assert steps[-1].verb is Verb.CONFIRM
    for target in targets:
        shares = [step.percent for step in steps if step.target == target and step.verb is Verb.SHIFT]
        assert shares == sorted(set(shares))
        assert shares[-1] == 100


def make_plan(**before):
    states = {"ecs": {"model_version": "2", "digest": "b" * 64}, "lambda": {"model_version": "2", "digest": "b" * 64}}
    calls = {"ecs": {Verb.PREPARE: "ecs:RegisterTaskDefinition"}, "lambda": {}}
    return Plan(
        candidate=Candidate("digits", 3, "c" * 64, "s3://models/digits/3/model.tar.gz"),
        steps=order_steps(("ecs", "lambda"), {"lambda": 10.0}, calls),
        before=states | before,
        tasks=2,
        smoke_key="digits/3/report/job/smoke.json",
        smoke_images=5,
        timeout_seconds=600,
        fences={"ecs": 4, "lambda": 0},
    )


def test_a_plan_survives_being_stored():
    plan = make_plan()
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_the_dry_run_names_the_artefact_every_step_its_calls_and_the_way_back():
    text = print_plan(make_plan())
    assert text.startswith("Release digits 3 (cccccccccccc):\n1. prepare ecs: ecs:RegisterTaskDefinition\n")
    assert "shift 10 % of lambda's traffic" in text
    assert "On any failure ecs goes back to model version 2." in text
    assert text.count("\n") == len(make_plan().steps) + 3


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ({"ecs": {"model_version": "", "digest": ""}}, "ecs goes back to serving no model"),
        ({"ecs": {"model_version": "1", "digest": "a" * 64}}, "do not all serve the same model"),
    ],
)
def test_the_dry_run_tells_what_is_unusual(before, told):
    assert told in print_plan(make_plan(**before))
