"""Where a trial runs, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.contract import METRIC_PREFIX, metric_line, read_trial_line, trial_line
from training.trial import Slot, find_slots, make_reader, show, trial_command, trial_environment


def test_a_trial_has_a_gpu_or_a_share_of_the_processors():
    assert [slot.gpu for slot in find_slots(4, 2)] == [0, 1, 2, 3]
    assert [slot.gpu for slot in find_slots(0, 3)] == [None] * 3
    assert all(slot.threads >= 1 for slot in find_slots(0, 100))


@pytest.mark.parametrize(("given", "gpu", "found"), [("", 1, "1"), ("6,7", 1, "7"), ("6", 1, "1")])
def test_takes_its_gpu_from_those_that_the_job_was_given(given, gpu, found):
    parent = {"CUDA_VISIBLE_DEVICES": given, "SM_CHANNEL_PREPARED": "/data", "SM_HP_X": "stale", "SM_HPS": "stale"}
    environment = trial_environment(parent, Path("/trials/001"), Slot(gpu, 2), ["python", "train.py", "--x", "1"])
    assert environment["CUDA_VISIBLE_DEVICES"] == found
    assert environment["SM_NUM_GPUS"] == "1"
    assert environment["SM_MODEL_DIR"] == "/trials/001/model"
    assert environment["SM_CHANNEL_PREPARED"] == "/data"
    assert "SM_HP_X" not in environment
    assert "SM_HPS" not in environment


def test_is_told_what_is_fixed_and_what_is_searched():
    command = trial_command(Path("train.py"), ["--epochs", "3"], {"rate": 0.1, "kind": "a b"})
    assert command[1:] == ["train.py", "--epochs", "3", "--rate", "0.1", "--kind", "a b"]


def test_its_objective_is_read_and_shown_so_that_nobody_takes_it_for_the_job_s():
    line = metric_line({"epoch": 1, "score": 0.25})
    assert make_reader("score")(line) == 0.25
    assert make_reader("core")(line) is None
    assert make_reader("score")(show(3, line)) is None
    assert METRIC_PREFIX not in show(3, line)


def test_a_trial_is_read_back_from_the_log_and_nothing_else_is():
    told = {"number": 1, "state": "running", "parameters": {"x": "a\nb"}}
    assert read_trial_line(trial_line(told)) == told
    for line in ("x " + trial_line(told), "[ratchet:trial] {", "[ratchet:trial] []", "[ratchet:trial] {}", ""):
        assert read_trial_line(line) is None
