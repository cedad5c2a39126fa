"""Where AWS is atomic, localcloud is: of sixteen threads that race for one key exactly one wins, and nothing fails.

`RATCHET_TEST_RACE_ROUNDS` sets the rounds of each race; 200 is the full count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.engines import load_engines
from localcloud.server import LocalCloud

pytestmark = pytest.mark.timeout(1800)  # for the full count; moto copies all tables for each transaction

_RACERS = 16
_ROUNDS = int(os.environ.get("RATCHET_TEST_RACE_ROUNDS", "5"))
_TABLE = _BUCKET = "races"

Attempt = Callable[[int], Any]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=load_engines(["s3", "dynamodb"])) as made:
        yield made


def _client(cloud: LocalCloud, service: str) -> Any:
    config = Config(max_pool_connections=_RACERS, retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=cloud.url, config=config, **keys)


@pytest.fixture(scope="module")
def dynamodb(cloud: LocalCloud) -> Any:
    client = _client(cloud, "dynamodb")
    client.create_table(
        TableName=_TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture(scope="module")
def s3(cloud: LocalCloud) -> Any:
    client = _client(cloud, "s3")
    client.create_bucket(Bucket=_BUCKET)
    return client


class Race:
    """Starts sixteen attempts at once, round after round, on threads that stay."""

    def __init__(self) -> None:
        self._start = Barrier(_RACERS)
        self._pool = ThreadPoolExecutor(_RACERS)

    def run(self, attempt: Attempt, *refusals: str) -> int:
        """Return how many won; an error that is none of the refusals fails the test."""
        return sum(self._pool.map(lambda number: self._wins(attempt, number, refusals), range(_RACERS)))

    def _wins(self, attempt: Attempt, number: int, refusals: tuple[str, ...]) -> bool:
        self._start.wait()
        try:
            attempt(number)
        except ClientError as error:
            if error.response["Error"]["Code"] not in refusals:
                raise
            return False
        return True

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture(scope="module")
def race() -> Iterator[Race]:
    made = Race()
    yield made
    made.close()


def _winners(race: Race, prepare: Callable[[int], Attempt], *refusals: str) -> list[int]:
    return [race.run(prepare(number), *refusals) for number in range(_ROUNDS)]


def test_put_if_absent_has_one_winner(dynamodb: Any, race: Race) -> None:
    def prepare(round_number: int) -> Attempt:
        def put(number: int) -> None:
            item = {"pk": {"S": f"absent-{round_number}"}, "by": {"N": str(number)}}
            dynamodb.put_item(TableName=_TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")

        return put

    assert _winners(race, prepare, "ConditionalCheckFailedException") == [1] * _ROUNDS


def test_compare_and_set_has_one_winner_and_loses_no_version(dynamodb: Any, race: Race) -> None:
    key = {"pk": {"S": "version"}}
    dynamodb.put_item(TableName=_TABLE, Item={**key, "v": {"N": "0"}})

    def prepare(round_number: int) -> Attempt:
        values = {":old": {"N": str(round_number)}, ":new": {"N": str(round_number + 1)}}
        change = {"UpdateExpression": "SET v = :new", "ConditionExpression": "v = :old"}
        return lambda _: dynamodb.update_item(TableName=_TABLE, Key=key, ExpressionAttributeValues=values, **change)

    assert _winners(race, prepare, "ConditionalCheckFailedException") == [1] * _ROUNDS
    assert dynamodb.get_item(TableName=_TABLE, Key=key)["Item"]["v"]["N"] == str(_ROUNDS)


def test_a_transaction_has_one_winner_and_writes_all_of_it(dynamodb: Any, race: Race) -> None:
    counter = {"TableName": _TABLE, "Key": {"pk": {"S": "sum"}}}

    def prepare(round_number: int) -> Attempt:
        def write(number: int) -> None:
            item = {"pk": {"S": f"transaction-{round_number}"}, "by": {"N": str(number)}}
            put = {"TableName": _TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
            add = {**counter, "UpdateExpression": "ADD v :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
            dynamodb.transact_write_items(TransactItems=[{"Put": put}, {"Update": add}])

        return write

    assert _winners(race, prepare, "TransactionCanceledException") == [1] * _ROUNDS
    assert dynamodb.get_item(**counter)["Item"]["v"]["N"] == str(_ROUNDS)


def test_a_counter_loses_no_update(dynamodb: Any, race: Race) -> None:
    key = {"pk": {"S": "counter"}}
    one = {"UpdateExpression": "ADD v :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}

    def prepare(_: int) -> Attempt:
        return lambda _: dynamodb.update_item(TableName=_TABLE, Key=key, **one)

    assert _winners(race, prepare) == [_RACERS] * _ROUNDS
    assert dynamodb.get_item(TableName=_TABLE, Key=key)["Item"]["v"]["N"] == str(_RACERS * _ROUNDS)


def test_an_object_that_must_be_new_has_one_writer(s3: Any, race: Race) -> None:
    def prepare(round_number: int) -> Attempt:
        new = {"Bucket": _BUCKET, "Key": f"new/{round_number}", "IfNoneMatch": "*"}
        return lambda number: s3.put_object(Body=b"%d" % number, **new)

    assert _winners(race, prepare, "PreconditionFailed") == [1] * _ROUNDS


def test_an_object_that_must_be_unchanged_has_one_writer(s3: Any, race: Race) -> None:
    place = {"Bucket": _BUCKET, "Key": "changed"}
    s3.put_object(Body=b"first", **place)

    def prepare(round_number: int) -> Attempt:
        tag = s3.head_object(**place)["ETag"]
        return lambda number: s3.put_object(Body=b"%d %d" % (round_number, number), IfMatch=tag, **place)

    assert _winners(race, prepare, "PreconditionFailed") == [1] * _ROUNDS


@pytest.mark.parametrize("condition", ["IfNoneMatch", "IfMatch"])
def test_an_upload_is_completed_by_one_of_those_who_race(s3: Any, race: Race, condition: str) -> None:
    def prepare(round_number: int) -> Attempt:
        place = {"Bucket": _BUCKET, "Key": f"upload/{condition}/{round_number}"}
        wanted = "*" if condition == "IfNoneMatch" else s3.put_object(Body=b"before", **place)["ETag"]
        uploads = [_upload(s3, place, b"%d" % number) for number in range(_RACERS)]
        return lambda number: s3.complete_multipart_upload(**place, **uploads[number], **{condition: wanted})

    assert _winners(race, prepare, "PreconditionFailed") == [1] * _ROUNDS


def test_an_object_that_must_be_unchanged_is_deleted_by_one(s3: Any, race: Race) -> None:
    def prepare(round_number: int) -> Attempt:
        place = {"Bucket": _BUCKET, "Key": f"deleted/{round_number}"}
        tag = s3.put_object(Body=b"x", **place)["ETag"]
        return lambda _: s3.delete_object(IfMatch=tag, **place)

    assert _winners(race, prepare, "NoSuchKey") == [1] * _ROUNDS


def _upload(s3: Any, place: dict[str, str], content: bytes) -> dict[str, Any]:
    upload = s3.create_multipart_upload(**place)["UploadId"]
    tag = s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=content)["ETag"]
    return {"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": tag}]}}
