"""Which of a stack's resources goes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.engines.cloudformation_delete import dependents_first


@pytest.mark.parametrize(
    "body",
    [
        {"Ref": "Other"},
        {"Properties": {"Deep": [{"Fn::GetAtt": ["Other", "Arn"]}]}},
        {"Properties": {"Deep": {"Fn::GetAtt": "Other.Arn"}}},
        {"Properties": {"Name": {"Fn::Sub": "x-${Other}-${AWS::Region}"}}},
        {"Properties": {"Name": {"Fn::Sub": ["${Other.Arn}", {}]}}},
        {"DependsOn": "Other"},
        {"DependsOn": ["Third", "Other"]},
    ],
)
def test_what_refers_to_another_goes_before_it(body):
    assert dependents_first({"Other": {}, "Mine": body}) == ["Mine", "Other"]
    assert dependents_first({"Mine": body, "Other": {}}) == ["Mine", "Other"]


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names).map(lambda others: {"DependsOn": others})))
def test_each_resource_is_named_once_whoever_refers_to_whom(definitions):
    assert sorted(dependents_first(definitions)) == sorted(definitions)
