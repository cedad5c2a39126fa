"""An alarm's state: the tables of CloudWatch's documentation, and what holds for all datapoints."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.alarm import COMPARISONS, AlarmState, Condition, Datapoint, Finding, Missing, evaluate

OK, ALARM, NO_DATA, KEPT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT_DATA, None
VALUES = {"X": 2.0, "0": 0.0, "-": None}


def condition(needed: int, periods: int, missing: Missing = Missing.MISSING) -> Condition:
    return Condition(COMPARISONS["GreaterThanThreshold"], 1.0, periods, needed, missing)


def points(picture: str) -> list[Datapoint]:
    """The documentation's pictures: the oldest datapoint first."""
    shown = picture.split()
    return [Datapoint(60.0 * at, VALUES[mark]) for at, mark in enumerate(shown)][::-1]


@pytest.mark.parametrize(
    ("needed", "picture", "states"),
    [
        (3, "0 - X - X", (OK, OK, OK, OK)),
        (3, "0 - - - -", (OK, OK, OK, OK)),
        (3, "- - - - -", (NO_DATA, KEPT, ALARM, OK)),
        (3, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        (3, "- - X - -", (ALARM, KEPT, ALARM, OK)),
        (2, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 - X - -", (OK, OK, ALARM, OK)),
        (2, "- - - - 0", (OK, OK, ALARM, OK)),
        (2, "- - - X -", (ALARM, KEPT, ALARM, OK)),
    ],
)
def test_states_are_those_of_the_documentations_tables(needed, picture, states):
    treatments = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)
    found = tuple(evaluate(condition(needed, 3, missing), points(picture)).state for missing in treatments)
    assert found == states


def test_a_first_breach_alone_leaves_an_alarm_as_it_is():
    assert evaluate(condition(3, 3), points("- - - - X")).state is None


SERIES = st.lists(st.sampled_from([None, 0.0, 2.0]), min_size=1, max_size=12)


def as_points(values: list[float | None]) -> list[Datapoint]:
    return [Datapoint(-60.0 * index, value) for index, value in enumerate(values)]


@given(SERIES, st.integers(1, 10), st.integers(1, 10), st.sampled_from(Missing))
def test_enough_breaches_among_the_latest_datapoints_always_alarm(values, needed, periods, missing):
    needed = min(needed, periods)
    latest = [value for value in values if value is not None][:periods]
    found = evaluate(condition(needed, periods, missing), as_points(values))
    if latest.count(2.0) >= needed:
        assert found.state is ALARM
    elif len(latest) == periods:
        assert found.state is OK


@given(SERIES, st.integers(1, 10), st.sampled_from(Missing))
def test_nothing_alarms_without_a_breach_unless_missing_counts_as_one(values, periods, missing):
    calm = [None if value is None else 0.0 for value in values]
    found = evaluate(condition(1, periods, missing), as_points(calm))
    if missing is not Missing.BREACHING:
        assert found.state is not ALARM


@given(SERIES, st.integers(1, 10), st.integers(1, 10))
def test_a_missing_datapoint_taken_as_breaching_is_never_milder_than_taken_as_not_breaching(values, needed, periods):
    needed = min(needed, periods)
    harsh = evaluate(condition(needed, periods, Missing.BREACHING), as_points(values)).state
    mild = evaluate(condition(needed, periods, Missing.NOT_BREACHING), as_points(values)).state
    assert {harsh, mild} <= {OK, ALARM}
    assert not (mild is ALARM and harsh is OK)


@given(SERIES, st.integers(1, 10), st.integers(1, 10), st.sampled_from(Missing))
def test_only_alarms_on_missing_data_lack_data(values, needed, periods, missing):
    found = evaluate(condition(min(needed, periods), periods, missing), as_points(values))
    if found.state is NO_DATA:
        assert missing is Missing.MISSING
        assert set(values) == {None}
    if found.state is None:
        assert missing in (Missing.MISSING, Missing.IGNORE)


@pytest.mark.parametrize(
    ("name", "compare"),
    [
        ("GreaterThanThreshold", operator.gt),
        ("GreaterThanOrEqualToThreshold", operator.ge),
        ("LessThanThreshold", operator.lt),
        ("LessThanOrEqualToThreshold", operator.le),
    ],
)
def test_comparisons_compare_as_their_names_say(name, compare):
    for value in (0.0, 1.0, 2.0):
        asked = Condition(COMPARISONS[name], 1.0, 1, 1)
        assert (evaluate(asked, [Datapoint(0, value)]).state is ALARM) == compare(value, 1.0)


def test_a_finding_names_the_datapoints_that_counted():
    found = evaluate(condition(2, 3), points("0 - X - X"))
    assert found == Finding(ALARM, tuple(point for point in points("0 - X - X") if point.value is not None))
