"""Metrics from log lines, and failures in SageMaker's words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.sagemaker_failure import REASON_LIMIT, explain_exit
from localcloud.engines.sagemaker_metric import MetricReader
from ratchet.contract import METRIC_NAMES, metric_line, metric_regex


def test_takes_the_last_match_of_a_line():
    assert list(MetricReader([{"Name": "loss", "Regex": "loss=([0-9.]+)"}]).read("loss=2 loss=1.5")) == [("loss", 1.5)]


def test_takes_the_whole_match_without_a_group():
    assert list(MetricReader([{"Name": "n", "Regex": "[0-9]+"}]).read("epoch 7")) == [("n", 7.0)]


@pytest.mark.parametrize("line", ["loss=nan", "loss=inf", "loss=-", "nothing"])
def test_leaves_out_what_is_no_finite_number(line):
    assert list(MetricReader([{"Name": "loss", "Regex": r"loss=(\S+)"}]).read(line)) == []


def test_leaves_out_a_group_that_took_no_part():
    assert list(MetricReader([{"Name": "loss", "Regex": r"loss=(\d+)?"}]).read("loss=")) == []


@given(st.fixed_dictionaries({name: st.floats(-1e9, 1e9) for name in METRIC_NAMES}))
def test_reads_what_training_writes(values):
    reader = MetricReader([{"Name": name, "Regex": metric_regex(name)} for name in METRIC_NAMES])
    assert dict(reader.read(metric_line(values))) == pytest.approx(values, rel=1e-5, abs=1e-9)


@given(code=st.integers(-64, 255).filter(bool), said=st.text(max_size=3000))
def test_a_failure_reason_is_never_too_long_and_always_tells_the_exit_code(code, said):
    reason = explain_exit(code, said)
    assert len(reason) <= REASON_LIMIT
    assert reason.startswith("AlgorithmError: ")
    assert re.search(rf", exit code: {128 - code if code < 0 else code}$", reason)
