"""DynamoDB: conditions, transactions and their tokens."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.aws.target import Aws, refusal


@pytest.fixture(scope="module")
def dynamodb(aws: Aws) -> Any:
    return aws.client("dynamodb")


@pytest.fixture(scope="module")
def table(aws: Aws) -> str:
    return aws.table()


def _put(table: str, key: str, **members: Any) -> dict[str, Any]:
    return {
        "TableName": table,
        "Item": {"pk": {"S": key}},
        "ConditionExpression": "attribute_not_exists(pk)",
        **members,
    }


def test_a_condition_that_fails_shows_what_is_there(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(**_put(table, "shown"))
    with pytest.raises(ClientError) as refused:
        dynamodb.put_item(**_put(table, "shown", ReturnValuesOnConditionCheckFailure="ALL_OLD"))
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert refused.value.response["Item"] == {"pk": {"S": "shown"}}


def test_eight_writers_of_one_new_key_have_one_winner(dynamodb: Any, table: str) -> None:
    def write(_: int) -> str:
        try:
            dynamodb.put_item(**_put(table, "raced"))
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "won"

    with ThreadPoolExecutor(8) as pool:
        ends = sorted(pool.map(write, range(8)))
    assert ends == ["ConditionalCheckFailedException"] * 7 + ["won"]


def test_a_transaction_says_which_of_its_conditions_failed(dynamodb: Any, table: str) -> None:
    dynamodb.put_item(**_put(table, "second"))
    with pytest.raises(ClientError) as refused:
        dynamodb.transact_write_items(TransactItems=[{"Put": _put(table, "first")}, {"Put": _put(table, "second")}])
    reasons = [reason["Code"] for reason in refused.value.response["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": {"S": "first"}}, ConsistentRead=True)


def test_a_transaction_with_its_token_is_done_once(aws: Aws, dynamodb: Any, table: str) -> None:
    key, token = {"pk": {"S": "counted"}}, aws.name()
    add = {"UpdateExpression": "ADD v :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    for _ in range(3):
        update = {"TableName": table, "Key": key, **add}
        dynamodb.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken=token)
    assert dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["v"] == {"N": "1"}
    other = [{"Put": _put(table, "other")}]
    code = refusal(dynamodb.transact_write_items, TransactItems=other, ClientRequestToken=token)
    assert code == "IdempotentParameterMismatchException"


def test_a_table_has_its_name_alone(dynamodb: Any, table: str) -> None:
    schema = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
    attributes = [{"AttributeName": "pk", "AttributeType": "S"}]
    code = refusal(dynamodb.create_table, TableName=table, AttributeDefinitions=attributes, **schema)
    assert code == "ResourceInUseException"
