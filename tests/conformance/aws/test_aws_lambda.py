"""Lambda: revisions guard functions, versions and aliases."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.conformance.aws.target import Aws, refusal

_STALE = "00000000-0000-0000-0000-000000000000"


def _package(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("main.py"), f"def handler(event, context):\n    return {text!r}\n")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def functions(aws: Aws) -> Any:
    return aws.client("lambda")


@pytest.fixture(scope="module")
def function(aws: Aws, functions: Any, role: str) -> str:
    name = aws.name()
    functions.create_function(
        FunctionName=name, Runtime="python3.11", Handler="main.handler", Role=role, Code={"ZipFile": _package("1")}
    )
    aws.at_end(functions.delete_function, FunctionName=name)
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return name


def test_code_is_replaced_only_as_it_was_seen(functions: Any, function: str) -> None:
    seen = functions.get_function_configuration(FunctionName=function)["RevisionId"]
    update = {"FunctionName": function, "ZipFile": _package("2")}
    assert refusal(functions.update_function_code, RevisionId=_STALE, **update) == "PreconditionFailedException"
    done = functions.update_function_code(RevisionId=seen, **update)
    functions.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    assert done["RevisionId"] != seen
    assert refusal(functions.update_function_code, RevisionId=seen, **update) == "PreconditionFailedException"


def test_a_version_is_published_only_of_the_code_that_was_seen(functions: Any, function: str) -> None:
    wrong = {"FunctionName": function, "CodeSha256": "A" * 43 + "="}
    assert refusal(functions.publish_version, **wrong) == "InvalidParameterValueException"
    stale = {"FunctionName": function, "RevisionId": _STALE}
    assert refusal(functions.publish_version, **stale) == "PreconditionFailedException"
    seen = functions.get_function_configuration(FunctionName=function)["CodeSha256"]
    version = functions.publish_version(FunctionName=function, CodeSha256=seen)["Version"]
    assert functions.publish_version(FunctionName=function)["Version"] == version


def test_an_alias_is_moved_only_as_it_was_seen(functions: Any, function: str) -> None:
    version = functions.publish_version(FunctionName=function)["Version"]
    alias = {"FunctionName": function, "Name": "live", "FunctionVersion": version}
    seen = functions.create_alias(**alias)["RevisionId"]
    assert refusal(functions.create_alias, **alias) == "ResourceConflictException"
    assert refusal(functions.update_alias, RevisionId=_STALE, **alias) == "PreconditionFailedException"
    assert functions.update_alias(RevisionId=seen, Description="moved", **alias)["RevisionId"] != seen
    assert refusal(functions.update_alias, RevisionId=seen, **alias) == "PreconditionFailedException"


def test_a_function_has_its_name_alone(functions: Any, function: str, role: str) -> None:
    same = {"FunctionName": function, "Runtime": "python3.11", "Handler": "main.handler", "Role": role}
    code = refusal(functions.create_function, Code={"ZipFile": _package("3")}, **same)
    assert code == "ResourceConflictException"
