"""Constraints of service models on the wire form of requests."""

from typing import Any

import pytest
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st

from localcloud.constraint import violations
from localcloud.request import Call, form_of, read_call
from localcloud.route import find_operation
from localcloud.wire import read_members
from localcloud.wire_rest import Unreadable

_SHAPES = {
    "Input": {
        "type": "structure",
        "required": ["Name"],
        "members": {
            "Name": {"shape": "Name"},
            "Size": {"shape": "Size"},
            "Colour": {"shape": "Colour"},
            "Parts": {"shape": "Parts"},
            "Labels": {"shape": "Labels"},
            "Choice": {"shape": "Choice"},
            "On": {"shape": "Flag"},
        },
    },
    "Name": {"type": "string", "min": 1, "max": 5, "pattern": "[a-z]+"},
    "Size": {"type": "integer", "min": 1, "max": 10},
    "Colour": {"type": "string", "enum": ["red", "green"]},
    "Parts": {"type": "list", "max": 2, "member": {"shape": "Name"}},
    "Labels": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Name"}},
    "Choice": {"type": "structure", "union": True, "members": {"A": {"shape": "Name"}, "B": {"shape": "Name"}}},
    "Flag": {"type": "boolean"},
}


def _model(protocol: str) -> ServiceModel:
    operation = {
        "name": "Make",
        "http": {"method": "POST", "requestUri": "/"},
        "input": {"shape": "Input"},
    }
    metadata = {"protocol": protocol, "serviceId": "toy", "endpointPrefix": "toy", "apiVersion": "1"}
    return ServiceModel({"metadata": metadata, "operations": {"Make": operation}, "shapes": _SHAPES}, "toy")


def _read(protocol: str, call: Call) -> dict[str, Any]:
    model = _model(protocol)
    found = find_operation(model, call)
    assert found is not None
    members = read_members(model, call, found)
    assert members is not None
    return members


def _found(members: dict[str, Any]) -> list[str]:
    return list(violations(_model("json").operation_model("Make").input_shape, members))


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({}, "'name' failed to satisfy constraint: Member must not be null"),
        ({"Name": None}, "'name' failed to satisfy constraint: Member must not be null"),
        ({"Name": "abcdef"}, "Member must have length less than or equal to 5"),
        ({"Name": ""}, "Member must have length greater than or equal to 1"),
        ({"Name": "ab1"}, "Member must satisfy regular expression pattern: [a-z]+"),
        ({"Name": "ab\n"}, "Member must satisfy regular expression pattern: [a-z]+"),
        ({"Name": 7}, "Member must be of type string"),
        ({"Name": "a", "Size": 11}, "'size' failed to satisfy constraint: Member must have value less than"),
        ({"Name": "a", "Size": True}, "Member must be of type integer"),
        ({"Name": "a", "Size": 1.5}, "Member must be of type integer"),
        ({"Name": "a", "Colour": "blue"}, "Member must satisfy enum value set: [red, green]"),
        ({"Name": "a", "Parts": ["a", "b", "c"]}, "'parts' failed to satisfy constraint: Member must have length"),
        ({"Name": "a", "Parts": ["A"]}, "'parts.1.member' failed to satisfy constraint"),
        ({"Name": "a", "Labels": {"k": "V"}}, "'labels.k.member' failed to satisfy constraint"),
        ({"Name": "a", "Choice": {"A": "a", "B": "b"}}, "Exactly one member of the union must be set"),
        ({"Name": "a", "Other": 1}, "'other' failed to satisfy constraint: Member is not known"),
    ],
)
def test_one_broken_constraint_is_told_in_aws_words(members: dict[str, Any], says: str) -> None:
    found = _found(members)
    assert len(found) == 1
    assert says in found[0]


def test_what_keeps_the_model_passes() -> None:
    good = {"Name": "abc", "Size": 10, "Colour": "red", "Parts": ["a"], "Labels": {"k": "v"}, "Choice": {"B": "b"}}
    assert _found({**good, "On": True}) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*_SHAPES["Input"]["members"], "Other"]), _JSON))
def test_any_json_is_judged_and_never_breaks_the_judge(members: dict[str, Any]) -> None:
    assert all(isinstance(violation, str) for violation in _found(members))


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    call = _call(body, target="Toy.Make")
    try:
        members = _read("json", call)
    except Unreadable:
        return
    assert isinstance(members, dict)


@given(st.text(max_size=200))
def test_any_form_is_read(form: str) -> None:
    call = _call(f"Action=Make&{form}".encode("utf-8", errors="surrogatepass"))
    if find_operation(_model("query"), call) is not None:  # the text may name another action or version
        assert isinstance(_read("query", call), dict)


def test_a_form_becomes_the_members_it_stands_for() -> None:
    form = (
        "Action=Make&Version=1&Name=abc&Size=3&On=true&Parts.member.1=a&Parts.member.2=b"
        "&Labels.entry.1.key=k&Labels.entry.1.value=v&Choice.A=x"
    )
    assert _read("query", _call(form.encode())) == {
        "Name": "abc",
        "Size": 3,
        "On": True,
        "Parts": ["a", "b"],
        "Labels": {"k": "v"},
        "Choice": {"A": "x"},
    }


def test_a_number_that_is_none_is_left_for_the_judge() -> None:
    members = _read("query", _call(b"Action=Make&Name=a&Size=many"))
    assert "Member must be of type integer" in next(iter(_found(members)))


def test_an_operation_that_is_not_in_the_model_is_left_to_the_service() -> None:
    assert find_operation(_model("json"), _call(b"{}", target="Toy.Unknown")) is None


@pytest.mark.parametrize(
    ("environ", "scope"),
    [
        (
            {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=AK/20260101/eu-west-1/ecs/aws4_request, Signature=0"},
            ("ecs", "eu-west-1"),
        ),
        ({"QUERY_STRING": "X-Amz-Credential=AK%2F20260101%2Fus-east-2%2Fs3%2Faws4_request"}, ("s3", "us-east-2")),
        ({"HTTP_X_AMZ_TARGET": "DynamoDB_20120810.GetItem"}, ("dynamodb", "us-east-1")),
        ({}, ("s3", "us-east-1")),
        ({"HTTP_AUTHORIZATION": "Credential=short"}, ("s3", "us-east-1")),
    ],
)
def test_a_signature_names_service_and_region(environ: dict[str, Any], scope: tuple[str, str]) -> None:
    call = read_call(environ, b"")
    assert (call.service, call.region) == scope


def _call(body: bytes, target: str = "") -> Call:
    kind = "application/x-amz-json-1.1" if target else "application/x-www-form-urlencoded"
    call = Call("toy", "us-east-1", "POST", "/", target, kind, body)
    assert target or form_of(call).get("Action") == "Make"
    return call
