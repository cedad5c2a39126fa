"""A rolling update keeps both of its promises at every step, and ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.ecs_plan import Census, Limits, Step, plan_step

LIMITS = st.builds(
    Limits,
    desired=st.integers(0, 20),
    minimum_percent=st.integers(0, 100),
    maximum_percent=st.integers(100, 300),
)


@st.composite
def censuses(draw):
    new, old = draw(st.integers(0, 25)), draw(st.integers(0, 25))
    return Census(new, draw(st.integers(0, new)), old, draw(st.integers(0, old)))


@pytest.mark.parametrize(
    ("limits", "census", "step"),
    [
        (Limits(2), Census(0, 0, 2, 2), Step(start=2)),
        (Limits(2), Census(2, 0, 2, 2), Step()),
        (Limits(2), Census(2, 1, 2, 2), Step(stop_old=1)),
        (Limits(2), Census(2, 2, 2, 2), Step(stop_old=2)),
        (Limits(1, 0, 100), Census(0, 0, 1, 1), Step(stop_old=1)),
        (Limits(4, 50, 100), Census(0, 0, 4, 4), Step(stop_old=2)),
        (Limits(0), Census(3, 3, 1, 1), Step(stop_new=3, stop_old=1)),
        (Limits(1), Census(3, 3, 0, 0), Step(stop_new=2)),
    ],
)
def test_the_next_step_is_the_one_that_ecs_takes(limits, census, step):
    assert plan_step(limits, census) == step


@given(LIMITS, censuses())
def test_starts_never_exceed_the_maximum(limits, census):
    step = plan_step(limits, census)
    assert step.start == 0 or census.new + census.old + step.start <= limits.most


@given(LIMITS, censuses())
def test_stops_never_take_healthy_tasks_below_the_minimum(limits, census):
    step = plan_step(limits, census)
    sick_old, sick_new = census.old - census.old_healthy, census.new - census.new_healthy
    lost = max(0, step.stop_old - sick_old) + max(0, step.stop_new - sick_new)
    healthy = census.new_healthy + census.old_healthy
    assert lost == 0 or healthy - lost >= min(limits.fewest, limits.desired)


@given(LIMITS, censuses())
def test_a_deployment_that_may_not_start_makes_no_room(limits, census):
    step = plan_step(limits, census, may_start=False)
    assert step.start == 0
    assert census.old - step.stop_old >= min(census.old, limits.desired - census.new_healthy)


@given(LIMITS, st.integers(0, 20))
def test_an_update_whose_tasks_get_healthy_ends_with_new_tasks_only(limits, old):
    new = 0
    for _ in range(100):
        step = plan_step(limits, Census(new, new, old, old))
        new, old = new + step.start - step.stop_new, old - step.stop_old
    can_move = limits.most > limits.fewest or limits.desired == 0
    if can_move:
        assert (new, old) == (limits.desired, 0)
