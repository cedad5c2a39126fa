"""Metrics in memory: what is kept, how coarse, and how much at most."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.metric import SERIES_AT_MOST, Aggregate, Metrics, Region, Sample
from localcloud.metric_query import Library, Selection, Span
from localcloud.metric_statistic import compute, group, is_statistic

HERE = Region("123456789012", "us-east-1")
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200)


def sample(value: float, **changes) -> Sample:
    return Sample(**{"namespace": "N", "name": "m", "dimensions": (("A", "a"),), "value": value, **changes})


def aggregate(values) -> Aggregate:
    found = Aggregate()
    for value in values:
        found.add(value)
    return found


def read(metrics, statistic="Sum", *, period=60, start=0.0, end=1e10):
    selection = Selection("N", "m", (("A", "a"),), statistic, period)
    return Library(metrics, HERE).values(selection, Span(start, end))


def test_samples_of_one_minute_add_up():
    metrics = Metrics(clock=lambda: 130.0)
    metrics.record(HERE, sample(1.0), sample(2.0), sample(5.0, at_seconds=60.0))
    assert read(metrics) == {120.0: 3.0, 60.0: 5.0}


def test_regions_and_dimensions_keep_apart():
    metrics = Metrics(clock=lambda: 0.0)
    metrics.record(HERE, sample(1.0))
    metrics.record(Region("123456789012", "eu-west-1"), sample(2.0))
    metrics.record(HERE, sample(4.0, dimensions=()))
    assert read(metrics) == {0.0: 1.0}


@given(VALUES)
def test_statistics_are_those_of_the_samples(values):
    found = aggregate(values)
    assert compute("SampleCount", found) == len(values)
    assert compute("Sum", found) == pytest.approx(sum(values), rel=1e-6, abs=1e-3)
    assert (compute("Minimum", found), compute("Maximum", found)) == (min(values), max(values))


@given(VALUES, st.sampled_from(["p0", "p50", "p90", "p99", "p99.9", "p100"]))
def test_percentiles_lie_between_the_smallest_and_the_largest(values, statistic):
    found = compute(statistic, aggregate(values))
    assert found is not None
    assert min(values) <= found <= max(values) or found == pytest.approx(min(values))


def test_percentiles_are_interpolated():
    found = aggregate(range(101))
    assert [compute(name, found) for name in ("p0", "p50", "p99", "p99.5", "p100")] == [0, 50, 99, 99.5, 100]


def test_percentiles_stay_near_the_truth_when_values_are_too_many_to_keep():
    found = aggregate(value for value in range(1, 10_001))
    assert len(found.values) <= 500
    assert compute("p99", found) == pytest.approx(9900, rel=0.05)


def test_a_statistic_set_has_no_percentiles():
    found = Aggregate()
    found.add_set(count=2, total=3.0, minimum=1.0, maximum=2.0)
    assert compute("p50", found) is None
    assert compute("Average", found) == 1.5


@pytest.mark.parametrize("name", ["p101", "p", "p-1", "Median", "sum", "p9999", ""])
def test_what_is_no_statistic_is_known(name):
    assert not is_statistic(name)


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(1, 9)), min_size=1, max_size=50), st.integers(1, 600))
def test_grouping_into_periods_loses_no_sample(found, period):
    buckets = [(at, aggregate([float(value)])) for at, value in found]
    grouped = group(buckets, start=0, end=6001, period=period)
    assert sum(each.total for each in grouped.values()) == sum(value for _, value in found)
    assert all(at % period == 0 for at in grouped)


def test_old_minutes_become_coarser_and_end():
    now = [0.0]
    metrics = Metrics(clock=lambda: now[0])
    for minute in range(10):
        now[0] = minute * 60.0
        metrics.record(HERE, sample(1.0))
    now[0] = 2 * 24 * 3600.0
    metrics.record(HERE, sample(7.0))
    assert read(metrics, end=3600) == {0.0: 5.0, 300.0: 5.0}
    now[0] = 20 * 24 * 3600.0
    metrics.record(HERE, sample(7.0))
    assert read(metrics, end=3600) == {}


def test_memory_has_an_end():
    metrics = Metrics(clock=lambda: 0.0)
    for index in range(SERIES_AT_MOST + 10):
        metrics.record(HERE, sample(1.0, name=f"m{index}", at_seconds=float(index)))
    names = {name for _, name, _ in metrics.list(HERE)}
    assert len(names) <= SERIES_AT_MOST
    assert f"m{SERIES_AT_MOST + 9}" in names
    assert "m0" not in names


def test_units_can_be_asked_for():
    metrics = Metrics(clock=lambda: 0.0)
    metrics.record(HERE, sample(1.0, unit="Seconds"), sample(2.0, unit="Count"))
    assert set(metrics.read(HERE, ("N", "m", (("A", "a"),)))) == {"Seconds", "Count"}
    assert set(metrics.read(HERE, ("N", "m", (("A", "a"),)), "Count")) == {"Count"}


def test_levels_are_sampled():
    metrics = Metrics(clock=lambda: 0.0)
    metrics.add_gauge(lambda: [(HERE, sample(3.0))])
    metrics.read_gauges()
    metrics.read_gauges()
    assert read(metrics, "Average") == {0.0: 3.0}
