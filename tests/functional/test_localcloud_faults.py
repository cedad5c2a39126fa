"""Faults strike what they are meant for, as often as they say, the same way in every run, and leave nothing behind."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from localcloud.eventfault import EventFaults
from localcloud.fault import Effect, Fault, Seen
from localcloud.faultbook import FaultBook
from localcloud.server import LocalCloud
from ratchet.aws import Aws
from ratchet.laptop.process import poll_until

pytest_plugins = ["localcloud.pytest_plugin"]

ONCE = Config(retries={"max_attempts": 0})


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def localcloud_instance(tmp_path_factory):
    """As the plugin's, without engines that these tests do not need."""
    from localcloud.engines import load_engines

    with LocalCloud(home=tmp_path_factory.mktemp("localcloud"), engines=load_engines(["s3", "dynamodb"])) as cloud:
        yield cloud


@pytest.fixture
def table(localcloud):
    name = f"t{time.monotonic_ns()}"
    boto3.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def put(client: Any, table: str, key: str = "k") -> None:
    item = {"pk": {"S": key}}
    client.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")


def keys(table: str) -> set[str]:
    return {item["pk"]["S"] for item in boto3.client("dynamodb").scan(TableName=table)["Items"]}


def test_an_error_comes_in_the_service_s_own_form_and_nothing_is_done(localcloud_faults, table):
    localcloud_faults.add(
        "error", service="dynamodb", operation="Put*", code="ThrottlingException", status=400, count=1
    )
    client = boto3.client("dynamodb", config=ONCE)
    with pytest.raises(ClientError, match="ThrottlingException"):
        put(client, table)
    put(client, table)
    assert localcloud_faults.hits() == {"dynamodb:PutItem": 1}
    localcloud_faults.add("error", service="s3", operation="CreateBucket", code="SlowDown", status=503)
    with pytest.raises(ClientError, match="SlowDown"):
        boto3.client("s3", config=ONCE).create_bucket(Bucket="slow")
    localcloud_faults.add("error", service="sns", code="InternalError")
    with pytest.raises(ClientError, match="InternalError"):
        boto3.client("sns", config=ONCE).list_topics()


def test_a_dropped_answer_is_of_a_call_that_was_carried_out(localcloud_faults, table):
    localcloud_faults.add("drop", operation="PutItem", count=1)
    with pytest.raises(ConnectionClosedError):
        put(boto3.client("dynamodb", config=ONCE), table)
    assert keys(table) == {"k"}
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        put(boto3.client("dynamodb", config=ONCE), table)


def test_every_mutating_answer_is_dropped_once_and_a_reading_one_never(localcloud_faults, table):
    fault = localcloud_faults.drop_every_mutating_response_once()
    client, s3 = boto3.client("dynamodb"), boto3.client("s3")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):  # botocore's own retry, refused: a false conflict
        put(client, table)
    put(client, table, "other")
    assert keys(table) == {"k", "other"}
    s3.create_bucket(Bucket="dropped")
    s3.put_object(Bucket="dropped", Key="k", Body=b"1")
    s3.put_object(Bucket="dropped", Key="l", Body=b"1")
    assert s3.get_object(Bucket="dropped", Key="k")["Body"].read() == b"1"
    dropped = {"dynamodb:PutItem": 1, "s3:CreateBucket": 1, "s3:PutObject": 1}
    assert localcloud_faults.hits(fault) == dropped


def test_a_call_that_nothing_makes_unique_is_sent_once_alone(localcloud_faults):
    localcloud_faults.drop_every_mutating_response_once()
    wanted = {"family": "once", "containerDefinitions": [{"name": "c", "image": "i", "memory": 128}]}
    door = Aws("us-east-1")
    with pytest.raises(ConnectionClosedError):
        door.client("ecs", once=True).register_task_definition(**wanted)
    assert len(door.client("ecs").list_task_definitions(familyPrefix="once")["taskDefinitionArns"]) == 1


def test_a_body_is_cut_in_the_middle(localcloud_faults):
    s3 = boto3.client("s3", config=ONCE)
    s3.create_bucket(Bucket="cut")
    s3.put_object(Bucket="cut", Key="k", Body=b"x" * 100_000)
    localcloud_faults.add("cut", operation="GetObject", count=1)
    answer = s3.get_object(Bucket="cut", Key="k")
    assert answer["ContentLength"] == 100_000
    with pytest.raises((HTTPClientError, OSError)):
        answer["Body"].read()
    assert len(s3.get_object(Bucket="cut", Key="k")["Body"].read()) == 100_000


def test_latency_comes_before_the_call_and_in_its_region_alone(localcloud_faults, table):
    localcloud_faults.add("latency", seconds=0.3, region="us-east-1", operation="ListTables", count=1)
    started = time.monotonic()
    boto3.client("dynamodb", region_name="eu-west-1").list_tables()
    assert localcloud_faults.hits() == {}
    boto3.client("dynamodb").list_tables()
    assert localcloud_faults.hits() == {"dynamodb:ListTables": 1}
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(("seconds", "good"), [(600, True), (-600, True), (1_200, False), (-1_200, False)])
def test_a_skewed_clock_shows_in_the_date_and_refuses_signatures(localcloud_faults, seconds, good):
    from email.utils import parsedate_to_datetime

    s3 = boto3.client("s3", config=ONCE)
    true = parsedate_to_datetime(s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"])
    localcloud_faults.add("skew", seconds=seconds)
    if good:
        told = s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
        assert abs((parsedate_to_datetime(told) - true).total_seconds() - seconds) < 60
    else:
        with pytest.raises(ClientError, match="RequestTimeTooSkewed"):
            s3.list_buckets()
    with pytest.raises(ClientError, match="InvalidSignatureException"):
        boto3.client("dynamodb", config=ONCE).list_tables()


def test_there_is_no_machine_said_as_each_service_says_it(localcloud_faults):
    localcloud_faults.add("capacity")
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        boto3.client("ec2", config=ONCE).run_instances(ImageId="ami-1", MinCount=1, MaxCount=1)
    answer = boto3.client("ecs", config=ONCE).run_task(cluster="c", taskDefinition="t")
    assert answer["tasks"] == []
    assert "Capacity is unavailable" in answer["failures"][0]["reason"]
    assert set(localcloud_faults.hits()) == {"ec2:RunInstances", "ecs:RunTask"}


@pytest.fixture
def queue(localcloud):
    sqs, s3, name = boto3.client("sqs"), boto3.client("s3"), f"events-{time.monotonic_ns()}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    s3.create_bucket(Bucket=name)
    told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=told)
    sqs.purge_queue(QueueUrl=url)

    def upload(*keys: str) -> None:
        for key in keys:
            s3.put_object(Bucket=name, Key=key, Body=b"")

    def arrived() -> list[str]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return upload, arrived


@pytest.mark.parametrize(
    ("effect", "comes"),
    [("lose-event", ["b", "c"]), ("duplicate-event", ["a", "a", "b", "c"]), ("reorder-event", ["b", "a", "c"])],
)
def test_an_event_is_lost_doubled_or_overtaken(localcloud_faults, queue, effect, comes):
    upload, arrived = queue
    localcloud_faults.add(effect, service="s3", operation="ObjectCreated:*", count=1)
    upload("a", "b", "c")
    assert arrived() == comes
    assert localcloud_faults.hits() == {"s3:ObjectCreated:Put": 1}


def test_a_delayed_event_comes_later(localcloud_faults, queue):
    upload, arrived = queue
    localcloud_faults.add("delay-event", seconds=0.5, count=1)
    upload("a", "b")
    assert arrived() == ["b"]
    assert any(arrived() == ["a"] for _ in poll_until(20.0))


def test_an_event_held_back_goes_alone_when_none_follows():
    acts: list[Any] = []
    sent: list[Any] = []
    book = FaultBook()
    faults = EventFaults(book, lambda *message: sent.append(message), lambda _seconds, act: acts.append(act))
    book.add(Fault(effect=Effect.REORDER_EVENT))
    faults.send("1", {"Records": [{"eventName": "ObjectCreated:Put"}]}, "q", "us-east-1")
    assert sent == []
    acts.pop()()
    assert len(sent) == 1


def fates(seed: int, probability: float = 0.5) -> list[bool]:
    book = FaultBook()
    book.add(Fault(effect=Effect.DROP, probability=probability, seed=seed))
    seen = Seen(services=("s3",), operation="PutObject", region="us-east-1")
    return [bool(book.strike(seen, frozenset({Effect.DROP}))) for _ in range(200)]


def test_the_same_seed_strikes_the_same_calls():
    assert fates(1) == fates(1)
    assert fates(1) != fates(2)
    assert 60 < sum(fates(1)) < 140
    assert all(fates(1, probability=1.0))


def test_how_threads_interleave_decides_nothing():
    alone = FaultBook()
    together = FaultBook()
    seen = {name: Seen(services=(name,), operation="Put", region="r") for name in ("s3", "dynamodb")}
    found: dict[tuple[int, str], list[bool]] = {}
    for number, book in enumerate((alone, together)):
        book.add(Fault(effect=Effect.DROP, probability=0.3, seed=5))

        def run(name: str, book: FaultBook = book, number: int = number) -> None:
            found[number, name] = [bool(book.strike(seen[name], frozenset({Effect.DROP}))) for _ in range(300)]

        threads = [threading.Thread(target=run, args=(name,)) for name in seen]
        for thread in threads:
            thread.start()
            if book is alone:
                thread.join()
        for thread in threads:
            thread.join()
    assert found[0, "s3"] == found[1, "s3"]
    assert found[0, "dynamodb"] == found[1, "dynamodb"]
