"""Rules choose as ELBv2 documents, and weights are kept exactly."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from localcloud.loadbalancer_route import (
    FixedResponse,
    Forward,
    Incoming,
    Redirect,
    Spread,
    choose_action,
    fill_redirect,
    read_rule,
)

REQUEST = Incoming(
    method="GET",
    host="models.example.com",
    path="/v1/predict",
    query=(("version", "2"),),
    headers=CIMultiDict({"X-Canary": "yes"}),
    source="127.0.0.1",
)


def fixed(status: str) -> dict:
    return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": status, "MessageBody": "hello"}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Field": "path-pattern", "Values": ["/v1/*"]}, True),
        ({"Field": "path-pattern", "Values": ["/v2/*"]}, False),
        ({"Field": "path-pattern", "PathPatternConfig": {"Values": ["/v?/predict"]}}, True),
        ({"Field": "path-pattern", "Values": ["/v[12]/predict"]}, False),
        ({"Field": "host-header", "Values": ["*.EXAMPLE.com"]}, True),
        ({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-canary", "Values": ["y*"]}}, True),
        ({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}, False),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "version", "Value": "2"}]}}, True),
        ({"Field": "query-string", "QueryStringConfig": {"Values": [{"Value": "3"}]}}, False),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["127.0.0.0/8"]}}, True),
        ({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}, False),
    ],
)
def test_a_condition_holds_as_elbv2_says(condition: dict, expected: bool):
    rules = (read_rule([condition], [fixed("200")]),)
    assert (choose_action(rules, REQUEST) is not None) is expected


def test_the_first_rule_whose_conditions_all_hold_wins():
    canary = {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Canary", "Values": ["yes"]}}
    post = {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["POST"]}}
    rules = (
        read_rule([canary, post], [fixed("201")]),
        read_rule([canary], [fixed("202")]),
        read_rule([], [fixed("203")]),
    )
    assert choose_action(rules, REQUEST) == FixedResponse(202, "text/plain", "hello")
    assert choose_action(rules, replace(REQUEST, headers=CIMultiDict())) == FixedResponse(203, "text/plain", "hello")


def test_a_weighted_forward_is_read_with_its_weights():
    action = {
        "Type": "forward",
        "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": "a", "Weight": 9}, {"TargetGroupArn": "b"}]},
    }
    assert read_rule([], [action]).action == Forward((("a", 9), ("b", 1)))
    assert read_rule([], [{"Type": "forward", "TargetGroupArn": "a"}]).action == Forward((("a", 1),))


def test_a_redirect_keeps_what_it_does_not_name():
    config = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Port": "8443", "Path": "/new/#{path}"}}
    action = read_rule([], [config]).action
    assert isinstance(action, Redirect)
    assert fill_redirect(action, REQUEST, 80) == "http://models.example.com:8443/new/v1/predict?version=2"
    assert fill_redirect(action, replace(REQUEST, query=()), 80).endswith("/new/v1/predict")


@given(st.lists(st.integers(min_value=0, max_value=20), min_size=1, max_size=5))
def test_weights_are_kept_exactly_over_one_round(weights: list[int]):
    spread = Spread([(str(index), weight) for index, weight in enumerate(weights)])
    chosen = Counter(spread.choose() for _ in range(sum(weights)))
    assert chosen == Counter({str(index): weight for index, weight in enumerate(weights) if weight})


def test_no_group_is_chosen_when_every_weight_is_zero():
    assert Spread([("a", 0)]).choose() is None
