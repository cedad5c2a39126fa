"""Weights of aliases: who gets how much, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.core.exceptions import JsonRESTError

from localcloud.engines.lambda_alias import Alias, check_name, check_routing, check_version


def make(weights: dict[str, float] | None) -> Alias:
    return Alias(
        account_id="123456789012",
        region="us-east-1",
        name="live",
        function_name="f",
        function_version="1",
        description="",
        routing_config=None if weights is None else {"AdditionalVersionWeights": weights},
    )


@given(weight=st.floats(0, 1))
def test_the_share_of_the_other_version_is_its_weight(weight: float) -> None:
    alias = make({"2": weight})
    draws = [number / 1000 for number in range(1000)]
    chosen = [alias.choose_version(lambda draw=draw: draw) for draw in draws]
    assert abs(chosen.count("2") - weight * 1000) <= 1
    assert chosen.count("1") + chosen.count("2") == 1000


@pytest.mark.parametrize("weights", [None, {}, {"2": 0.0}])
@given(draw=st.floats(0, 1, exclude_max=True))
def test_without_a_weight_the_own_version_gets_everything(weights: dict[str, float] | None, draw: float) -> None:
    assert make(weights).choose_version(lambda: draw) == "1"


def test_every_update_changes_the_revision_and_keeps_what_is_not_given() -> None:
    alias = make({"2": 0.1})
    before = alias.revision_id
    alias.update("calm", None, None)
    assert alias.revision_id != before
    assert alias.to_json()["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.1}}
    alias.update(None, "2", {"AdditionalVersionWeights": {}})
    shown = alias.to_json()
    assert (shown["Description"], shown["FunctionVersion"]) == ("calm", "2")
    assert "RoutingConfig" not in shown


@given(weight=st.floats() | st.text() | st.booleans() | st.none())
def test_a_weight_is_a_number_between_0_and_1(weight: object) -> None:
    fine = isinstance(weight, float) and 0 <= weight <= 1
    routing = {"AdditionalVersionWeights": {"2": weight}}
    if fine:
        check_routing("1", routing)
        return
    with pytest.raises(JsonRESTError):
        check_routing("1", routing)


@pytest.mark.parametrize("name", ["", "12", "a b", "a:b", None])
def test_names_that_aws_refuses(name: str) -> None:
    with pytest.raises(JsonRESTError):
        check_name(name)


@pytest.mark.parametrize("version", ["live", "", "1a", "$latest"])
def test_only_a_number_or_latest_is_a_version(version: str) -> None:
    with pytest.raises(JsonRESTError):
        check_version(version)
