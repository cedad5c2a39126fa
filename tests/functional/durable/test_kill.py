"""What was acknowledged before a `kill -9` is there after it, whatever was under way.

LOCALCLOUD_KILLS and LOCALCLOUD_KILL_WRITES say how often and among how many writes; the full figures are 20 and 1000.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from durable_cloud import Process

KILLS = int(os.environ.get("LOCALCLOUD_KILLS", "2"))
WRITES = int(os.environ.get("LOCALCLOUD_KILL_WRITES", "120"))
WRITERS = 8
BUCKET, TABLE, QUEUE = "killed-bucket", "killed", "killed"

Write = Callable[[str], None]


def test_no_acknowledged_write_is_lost_by_a_kill(cloud: Process) -> None:
    draw = random.Random(20261124)
    cloud.start()
    _prepare(cloud)
    acknowledged: set[str] = set()
    taken: set[str] = set()
    for number in range(KILLS):
        acknowledged |= _write_until_killed(cloud, number, draw.randrange(WRITES // 5, WRITES))
        cloud.start()
        messages = _take_messages(cloud)
        assert not messages & taken  # what was deleted stays deleted
        taken |= messages
        found = _read_back(cloud) | taken
        assert acknowledged <= found, sorted(acknowledged - found)[:10]
    assert len(acknowledged) > KILLS * WRITERS


def _prepare(cloud: Process) -> None:
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    cloud.client("dynamodb").put_item(TableName=TABLE, Item={"pk": {"S": "counter"}, "n": {"N": "0"}})
    cloud.client("sqs").create_queue(QueueName=QUEUE)


def _write_until_killed(cloud: Process, number: int, after: int) -> set[str]:
    """Write from several threads, kill after so many acknowledged writes, and return the acknowledged ones."""
    acknowledged: set[str] = set()
    enough = threading.Event()
    writes = _writes(cloud)

    def write(each: int) -> None:
        kind, put = writes[each % len(writes)]
        name = f"{kind}/{number:02d}-{each:05d}"
        try:
            put(name)
        except (BotoCoreError, ClientError):
            return  # not acknowledged: it may be there, or not
        acknowledged.add(name)
        if len(acknowledged) >= after:
            enough.set()

    with ThreadPoolExecutor(WRITERS) as pool:
        for each in range(WRITES):
            pool.submit(write, each)
        enough.wait(600)
        cloud.kill()
    return acknowledged


def _writes(cloud: Process) -> list[tuple[str, Write]]:
    s3, table, sqs, logs, iam = (cloud.client(name) for name in ("s3", "dynamodb", "sqs", "logs", "iam"))
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    trust = '{"Version": "2012-10-17", "Statement": []}'

    def count(name: str) -> None:
        add, put = {"#n": "n"}, {"Item": {"pk": {"S": name}}, "TableName": TABLE}
        key = {"Key": {"pk": {"S": "counter"}}, "TableName": TABLE}
        update = {"UpdateExpression": "ADD #n :one", "ExpressionAttributeNames": add}
        values: dict[str, Any] = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
        table.transact_write_items(TransactItems=[{"Put": put}, {"Update": {**key, **update, **values}}])

    return [
        ("small", lambda name: s3.put_object(Bucket=BUCKET, Key=name, Body=name.encode())),
        ("item", lambda name: table.put_item(TableName=TABLE, Item={"pk": {"S": name}})),
        ("message", lambda name: sqs.send_message(QueueUrl=url, MessageBody=name)),
        ("large", lambda name: s3.put_object(Bucket=BUCKET, Key=name, Body=name.encode() * 10_000)),
        ("counted", count),
        ("group", lambda name: logs.create_log_group(logGroupName=name)),
        ("role", lambda name: iam.create_role(RoleName=name.replace("/", "."), AssumeRolePolicyDocument=trust)),
    ]


def _read_back(cloud: Process) -> set[str]:
    s3, table, logs, iam = (cloud.client(name) for name in ("s3", "dynamodb", "logs", "iam"))
    found = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for entry in page.get("Contents", []):
            name = entry["Key"]
            times = 10_000 if name.startswith("large/") else 1
            if s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() == name.encode() * times:
                found.add(name)
    items = [item for page in table.get_paginator("scan").paginate(TableName=TABLE) for item in page["Items"]]
    found |= {item["pk"]["S"] for item in items}
    counted = sum(name.startswith("counted/") for name in found)
    counter = next(item["n"]["N"] for item in items if item["pk"]["S"] == "counter")
    assert int(counter) == counted  # a transaction is there whole, or not at all
    found |= {
        group["logGroupName"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for group in page["logGroups"]
    }
    roles = [role["RoleName"] for page in iam.get_paginator("list_roles").paginate() for role in page["Roles"]]
    return found | {name.replace(".", "/") for name in roles}


def _take_messages(cloud: Process) -> set[str]:
    """Receive and delete every message."""
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    taken = set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            taken.add(message["Body"])
    return taken
