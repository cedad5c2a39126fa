"""Every gap and contradiction in report.json has a name."""

from __future__ import annotations

import copy
import json
import math

import pytest
from evaluations import hits, measure, raw_report

from ratchet.errors import ArtefactError
from ratchet.judge import read_report

RAW = raw_report(measure(hits(9, 0)), measure(hits(6, 3)))


def paths(value, so_far=()):
    for name, inner in value.items():
        yield (*so_far, name)
        if isinstance(inner, dict):
            yield from paths(inner, (*so_far, name))


def broken(path, change):
    raw = copy.deepcopy(RAW)
    place = raw
    for name in path[:-1]:
        place = place[name]
    change(place, path[-1])
    return raw


def test_reads_what_was_measured():
    report = read_report(json.loads(json.dumps(RAW)))
    assert report.test_count == 9
    assert report.labels == ("0", "1", "2")
    assert report.challenger.accuracy == 1.0
    assert report.champion.per_class["0"].support == 3


def test_a_champion_may_not_know_a_class_that_is_new():
    raw = copy.deepcopy(RAW)
    del raw["champion"]["per_class"]["2"]
    assert set(read_report(raw).champion.per_class) == {"0", "1"}


def test_the_first_model_has_no_champion_beside_it():
    assert read_report(raw_report(measure(hits(9, 0)))).champion is None


def is_class_of_champion(path):
    return path[:2] == ("champion", "per_class") and len(path) == 3


@pytest.mark.parametrize("path", [path for path in paths(RAW) if not is_class_of_champion(path)])
def test_names_the_key_that_is_missing(path):
    def remove(place, name):
        del place[name]

    with pytest.raises(ArtefactError, match=r"report.json: " + r"\.".join(path) + " is missing"):
        read_report(broken(path, remove))


@pytest.mark.parametrize("value", ["many", [], {}, object()])
@pytest.mark.parametrize("path", [("challenger", "accuracy"), ("test_split", "count"), ("contract_version",)])
def test_names_the_key_whose_value_is_of_the_wrong_kind(path, value):
    def spoil(place, name):
        place[name] = value

    with pytest.raises(ArtefactError, match=path[-1]):
        read_report(broken(path, spoil))


def test_a_figure_that_could_not_be_measured_is_no_number():
    report = read_report(raw_report(measure(hits(9, 0), top5_accuracy=None)))
    assert math.isnan(report.challenger.top5_accuracy)


def test_refuses_a_report_of_a_newer_contract():
    with pytest.raises(ArtefactError, match="contract version 99"):
        read_report({**RAW, "contract_version": 99})


def test_refuses_marks_that_are_not_one_for_each_test_image():
    with pytest.raises(ArtefactError, match=r"challenger\.correct"):
        read_report({**RAW, "test_split": {"digest": "t", "count": 8}})


@pytest.mark.parametrize("claimed", [0.5, math.nan])
def test_refuses_an_accuracy_that_the_marks_contradict(claimed):
    with pytest.raises(ArtefactError, match=r"but challenger\.correct makes 1\.0"):
        read_report(raw_report(measure(hits(9, 0), accuracy=claimed)))


def test_refuses_a_report_about_nothing():
    with pytest.raises(ArtefactError, match="nothing was measured"):
        read_report({**RAW, "test_split": {"digest": "t", "count": 0}})
