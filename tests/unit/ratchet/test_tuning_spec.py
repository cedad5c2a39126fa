"""Every mistake in `tuning:` is answered with its line, its key, what is wrong and what is allowed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import SpecError
from ratchet.spec import load_pipeline
from ratchet.tuning_spec import Range

ROOT = Path(__file__).resolve().parents[3]
GOOD = (ROOT / "pipelines" / "digits.yaml").read_text("utf-8")
TUNING = """
tuning:
  strategy: bayesian
  objective: {metric: validation_loss, direction: minimize}
  ranges:
    width: {type: integer, min: 8, max: 64}
    dropout: {type: continuous, min: 0.0, max: 0.5}
    momentum: {type: continuous, min: 0.5, max: 0.999, scaling: reverse_log}
    decay: {type: continuous, min: 0.00001, max: 0.01, scaling: log}
    augment: {type: categorical, values: [none, light]}
  budget: {jobs: 20, hours: 4, usd: 30}
  parallel: 4
  early_stopping: true
  seed: 7
  warm_start: {from_last: true}
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "digits.yaml"
        path.write_text(GOOD + text, "utf-8")
        return load_pipeline(path)

    return load


def test_reads_every_key(load):
    tuning = load(TUNING).tuning
    assert (tuning.parallel, tuning.budget.usd, tuning.maximizes) == (4, 30, False)
    assert tuning.ranges["width"].ends == (8, 64)
    assert tuning.ranges["augment"].values == ("none", "light")
    assert tuning.warm_start.from_last


@pytest.mark.parametrize(
    ("good", "bad", "parts"),
    [
        ("min: 8, max: 64", "min: 64, max: 8", ["ranges.width.min: 64 is above max 8", "upside down, swap them"]),
        ("min: 8, max: 64", "min: 8, max: 8", ["ranges.width.min", "nothing to search", "training.hyperparameters"]),
        ("min: 8, max: 64", "min: 8.5, max: 64", ["ranges.width.min", "must be a whole number (found 8.5)"]),
        ("min: 8, max: 64", "min: 8, max: .inf", ["ranges.width.max", "must be a whole number"]),
        ("min: 0.0, max: 0.5", "min: 0.0, max: .nan", ["ranges.dropout.max", "must be a finite number"]),
        ("min: 8, max: 64", "min: 8", ["ranges.width.max", "is missing", "both ends"]),
        ("min: 8, max: 64", "values: [8, 64]", ["ranges.width.values", "`type: categorical`"]),
        ("min: 0.00001", "min: 0", ["ranges.decay.min", "above 0 with `scaling: log` (found 0)", "linear"]),
        ("max: 0.999", "max: 1.0", ["ranges.momentum.scaling", "0 <= min and max < 1"]),
        ("scaling: log}", "scaling: cubic}", ["ranges.decay.scaling", "'linear', 'log' or 'reverse_log'"]),
        ("values: [none, light]", "values: [none]", ["ranges.augment.values", "two values or more"]),
        ("values: [none, light]", "values: [1, '1']", ["ranges.augment.values", "differ", "found 1, 1"]),
        ("values: [none, light]", "values: [1, 2], min: 1", ["ranges.augment.min", "is for numbers"]),
        ("type: integer", "type: whole", ["ranges.width.type", "'integer', 'continuous' or 'categorical'"]),
        ("min: 8, max: 64", "min: 8, maxx: 64", ["ranges.width.maxx", "did you mean 'max'", "scaling, steps"]),
        ("    width", "    batch-size", ["ranges.batch-size", "also stands in training.hyperparameters"]),
        ("    width", "    network", ["ranges.network", "is Ratchet's own"]),
        ("strategy: bayesian", "strategy: grid", ["ranges.dropout", "needs `steps`"]),
        ("min: 8, max: 64", "min: 8, max: 64, steps: 3", ["ranges.width.steps", "`strategy: grid` alone"]),
        ("strategy: bayesian", "strategy: guess", ["tuning.strategy", "'random', 'bayesian' or 'hyperband'"]),
        ("strategy: bayesian", "strategy: random", ["tuning.warm_start.from_last", "`strategy: random`", "bayesian"]),
        ("seed: 7", "hyperband: {max: 9}", ["tuning.hyperband", "`strategy: hyperband` alone"]),
        ("{jobs: 20, hours: 4, usd: 30}", "{}", ["tuning.budget", "`jobs`, `hours` or `usd`"]),
        ("jobs: 20", "jobs: 3", ["tuning.parallel", "more than budget.jobs, 3 (found 4)"]),
        ("usd: 30", "usd: 0", ["tuning.budget.usd", "greater than 0"]),
        ("direction: minimize", "direction: down", ["tuning.objective.direction", "'maximize' or 'minimize'"]),
        ("metric: validation_loss", "metric: 'a b'", ["tuning.objective.metric", "pattern"]),
    ],
)
def test_answers_a_mistake_with_its_key_and_what_is_allowed(load, good, bad, parts):
    assert TUNING.count(good) == 1
    with pytest.raises(SpecError) as caught:
        load(TUNING.replace(good, bad))
    message = str(caught.value)
    assert [part for part in parts if part not in message] == []
    assert len(message.splitlines()) == 1


def test_an_upside_down_range_is_answered_with_its_own_line(load):
    with pytest.raises(SpecError) as caught:
        load(TUNING.replace("min: 0.0, max: 0.5", "min: 0.5, max: 0.0"))
    line = (GOOD + TUNING).splitlines().index("    dropout: {type: continuous, min: 0.0, max: 0.5}") + 1
    assert f"digits.yaml:{line}: tuning.ranges.dropout.min: 0.5 is above max 0" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ranges: {a: {type: integer, min: 1, max: 40}, b: {type: integer, min: 1, max: 40}}", ["1600 combinations"]),
        ("ranges: {a: {type: integer, min: 1, max: 9000}}", ["tuning.ranges.a", "9000 whole numbers", "`steps`"]),
        ("ranges: {a: {type: integer, min: 1, max: 4}}\n  budget: {jobs: 3}", ["budget.jobs", "4 combinations"]),
        ("ranges: {a: {type: integer, min: 1, max: 4}}\n  warm_start: {from_last: true}", ["warm_start.from_last"]),
    ],
)
def test_a_grid_that_cannot_be_tried_whole_is_refused(load, text, parts):
    with pytest.raises(SpecError) as caught:
        load(f"\ntuning:\n  strategy: grid\n  {text}\n")
    assert [part for part in parts if part not in str(caught.value)] == []


def test_hyperband_ends_trials_by_itself(load):
    with pytest.raises(SpecError, match=r"tuning.early_stopping: must be false with `strategy: hyperband`"):
        load(TUNING.replace("bayesian", "hyperband").replace("from_last: true", "from_last: false"))


def test_hyperband_must_know_how_long_a_whole_trial_is(load, tmp_path):
    text = "\ntuning: {strategy: hyperband, budget: {jobs: 9}, ranges: {a: {type: integer, min: 1, max: 4}}}\n"
    assert load(text).tuning.strategy == "hyperband"
    raw = yaml.safe_load(GOOD + text)
    del raw["training"]["hyperparameters"]["epochs"]
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(SpecError, match=r"tuning.hyperband: needs `max`"):
        load_pipeline(path)


def test_processes_of_one_job_need_one_machine(load, tmp_path):
    text = TUNING + "  trials: processes\n"
    assert load(text).tuning.trials == "processes"
    path = tmp_path / "two.yaml"
    path.write_text(GOOD.replace("  compute: sagemaker", "  instance_count: 2\n  compute: sagemaker") + text, "utf-8")
    with pytest.raises(SpecError, match=r"tuning.trials: `processes` run on one machine"):
        load_pipeline(path)


@pytest.mark.parametrize(
    ("key", "words"),
    [("spot: true", "tuning.trials: must be `processes` with training.spot"), ("fallback: [ml.m5.xlarge]", "remove")],
)
def test_a_study_stays_on_machines_that_its_trials_can_lose(tmp_path, key, words):
    path = tmp_path / "spare.yaml"
    path.write_text(GOOD.replace("  compute: sagemaker", f"  {key}\n  compute: sagemaker") + TUNING, "utf-8")
    with pytest.raises(SpecError, match=words):
        load_pipeline(path)


@given(
    st.sampled_from(["linear", "log", "reverse_log"]),
    st.floats(0.001, 0.5),
    st.floats(0.51, 0.999),
    st.integers(2, 100),
)
def test_a_grid_s_points_run_from_end_to_end_in_order_and_within(scaling, low, high, steps):
    points = Range(type="continuous", min=low, max=high, scaling=scaling, steps=steps).points
    assert len(points) == steps
    assert (points[0], points[-1]) == (pytest.approx(low), pytest.approx(high))
    assert all(low <= a < b <= high for a, b in pairwise(points))
