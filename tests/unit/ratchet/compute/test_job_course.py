"""How a training goes, read from its log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.compute.course import Course, read_epoch, tell_duration
from ratchet.compute.curve import draw_page
from ratchet.contract import METRIC_NAMES, metric_line

START = datetime(2030, 1, 1, tzinfo=UTC)


def after(seconds):
    return START + timedelta(seconds=seconds)


def line(epoch, loss=0.5):
    return metric_line(dict(zip(METRIC_NAMES, (epoch, loss, 0.8, loss, 0.9, 1000.0), strict=True)))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
def test_what_a_training_writes_is_read_back(values):
    metrics = dict(zip(METRIC_NAMES, values, strict=True))
    found = read_epoch("2030-01-01 " + metric_line(metrics))
    assert found == {name: pytest.approx(value, rel=1e-5) for name, value in metrics.items()}


@given(st.text())
def test_any_other_line_is_no_epoch(text):
    assert read_epoch(text) is None


def test_the_pace_is_that_of_the_epochs_whose_ends_were_seen():
    course = Course(total=10)
    course.note([line(1)], after(100))
    course.note([line(2)], after(130))
    course.note([line(3)], after(160))
    assert course.remaining_seconds(START, after(160)) == pytest.approx(7 * 30)


def test_a_look_that_comes_late_takes_the_time_since_the_start():
    course = Course(total=10)
    course.note([line(1), line(2), line(3), line(4)], after(200))
    assert course.remaining_seconds(START, after(200)) == pytest.approx(6 * 50)
    assert course.remaining_seconds(None, after(200)) is None


def test_nothing_is_left_to_tell_before_the_first_epoch_and_after_the_last():
    course = Course(total=1)
    assert course.tell(START, START) == ""
    course.note([line(1)], after(10))
    assert course.remaining_seconds(START, after(20)) is None


def test_an_epoch_that_a_resumed_training_tells_again_counts_once():
    course = Course()
    course.note([line(1), line(2, loss=0.4)], START)
    course.note([line(2, loss=0.3), line(3)], START)
    assert [(epoch["epoch"], epoch["train_loss"]) for epoch in course.epochs] == [(1, 0.5), (2, 0.3), (3, 0.5)]


@pytest.mark.parametrize(("seconds", "told"), [(3.4, "3 s"), (90, "2 min"), (3700, "1 h 2 min")])
def test_durations_read_as_a_person_says_them(seconds, told):
    assert tell_duration(seconds) == told


def test_a_value_that_is_no_number_leaves_a_gap_and_no_wreck():
    epochs = [read_epoch(line(1)), {**read_epoch(line(2)), "train_loss": float("nan")}, read_epoch(line(3))]
    page = draw_page("j", epochs, "done")
    assert "nan" not in page
    assert page.count("training, epoch 2") == 2  # accuracy and speed, no loss


def test_a_name_from_outside_is_escaped():
    assert "<script>" not in draw_page("<script>", [read_epoch(line(1))], "<script>")


def test_one_epoch_alone_has_a_picture():
    assert "validation, epoch 1: 0.9" in draw_page("j", [read_epoch(line(1))], "")
