"""Which calls change nothing is told by their names."""

import pytest

from localcloud.durable.reading import is_reading
from localcloud.request import Call


def call(method: str = "POST", target: str = "", service: str = "dynamodb", body: bytes = b"") -> Call:
    kind = "application/x-www-form-urlencoded" if body else "application/x-amz-json-1.0"
    return Call(service, "us-east-1", method, "/", target, kind, body)


@pytest.mark.parametrize("name", ["GetItem", "Query", "Scan", "BatchGetItem", "TransactGetItems", "DescribeTable"])
def test_a_reading_operation_is_one(name):
    assert is_reading(call(target=f"DynamoDB_20120810.{name}"))


@pytest.mark.parametrize("name", ["PutItem", "TransactWriteItems", "ExecuteStatement", "UpdateItem", "CreateTable"])
def test_a_writing_operation_is_none(name):
    assert not is_reading(call(target=f"DynamoDB_20120810.{name}"))


def test_receiving_a_message_changes_the_queue():
    assert not is_reading(call(target="AmazonSQS.ReceiveMessage", service="sqs"))


@pytest.mark.parametrize(("action", "reads"), [("CreateUser", False), ("ListUsers", True), ("GetRole", True)])
def test_the_query_protocol_names_its_action_in_the_form_or_the_query_string(action, reads):
    assert is_reading(call(service="iam", body=f"Action={action}&Version=1".encode())) is reads
    assert is_reading(call("GET", service="iam"), f"Action={action}") is reads


@pytest.mark.parametrize(("method", "reads"), [("GET", True), ("HEAD", True), ("PUT", False), ("DELETE", False)])
def test_an_object_is_read_by_its_method(method, reads):
    assert is_reading(call(method, service="s3"), "Action=DeleteUser") is reads
