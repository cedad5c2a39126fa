"""Metrics in log lines."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.emf import BrokenBlock, read_line
from localcloud.metric import Sample

NOW = 1795561200.0


def line(block=None, **members) -> str:
    directive = {
        "Namespace": "Ratchet",
        "Dimensions": [["Model"], []],
        "Metrics": [{"Name": "Latency", "Unit": "Milliseconds"}],
    }
    aws = {"Timestamp": NOW * 1000, "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": {**aws, **(block or {})}, "Model": "digits", "Latency": 12, **members})


def test_a_line_gives_a_sample_for_each_set_of_dimensions():
    assert read_line(line(), NOW) == [
        Sample("Ratchet", "Latency", (("Model", "digits"),), 12.0, "Milliseconds", at_seconds=NOW),
        Sample("Ratchet", "Latency", (), 12.0, "Milliseconds", at_seconds=NOW),
    ]


def test_several_values_are_several_samples():
    assert [sample.value for sample in read_line(line(Latency=[1, 2.5]), NOW)] == [1.0, 1.0, 2.5, 2.5]


@pytest.mark.parametrize(
    "text", ["plain words", '"_aws" in words', '{"_aws" broken', '["_aws"]', '{"note": "\\"_aws\\""}']
)
def test_other_lines_have_none(text):
    assert read_line(text, NOW) == []


@pytest.mark.parametrize(
    ("block", "members", "message"),
    [
        ({"Timestamp": "now"}, {}, "Timestamp"),
        ({"Timestamp": (NOW - 15 * 86400) * 1000}, {}, "14 days"),
        ({"CloudWatchMetrics": {}}, {}, "no array"),
        ({"CloudWatchMetrics": ["x"]}, {}, "directive"),
        ({"CloudWatchMetrics": [{"Metrics": []}]}, {}, "Namespace"),
        ({"CloudWatchMetrics": [{"Namespace": "N", "Dimensions": ["Model"], "Metrics": []}]}, {}, "array of arrays"),
        ({"CloudWatchMetrics": [{"Namespace": "N", "Metrics": [{"Name": "x"}] * 101}]}, {}, "100"),
        (
            {"CloudWatchMetrics": [{"Namespace": "N", "Metrics": [{"Name": "Latency", "StorageResolution": 5}]}]},
            {},
            "1 nor",
        ),
        ({}, {"Latency": "fast"}, "no number"),
        ({}, {"Latency": True}, "no number"),
        ({}, {"Latency": [1] * 101}, "100 values"),
        ({}, {"Model": 7}, "dimension Model"),
    ],
)
def test_a_broken_block_is_told(block, members, message):
    with pytest.raises(BrokenBlock, match=message):
        read_line(line(block, **members), NOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Namespace", "Metrics", "Name", "Dimensions", "Unit", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None)
@given(JSON, JSON, JSON)
def test_whatever_a_line_holds_it_is_read_or_told_to_be_broken(metrics, latency, timestamp):
    text = json.dumps({"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": metrics}, "x": latency})
    try:
        read_line(text, NOW)
    except BrokenBlock:
        return
