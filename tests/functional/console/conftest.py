"""One localcloud with things to look at for all tests of the console, also with names that would like to be markup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from console_names import HOSTILE

from localcloud.server import LocalCloud


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> Callable[[str], Any]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return lambda name: boto3.client(name, endpoint_url=cloud.url, region_name="us-east-1", **keys)


@pytest.fixture(scope="module")
def filled(client: Callable[[str], Any]) -> None:
    s3, dynamodb, cloudwatch = client("s3"), client("dynamodb"), client("cloudwatch")
    s3.create_bucket(Bucket="models")
    s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    for content in (b"first", b"second"):
        s3.put_object(Bucket="models", Key="digits/model.bin", Body=content)
    s3.put_object(Bucket="models", Key=f"digits/{HOSTILE}.txt", Body=b"x")
    dynamodb.create_table(
        TableName="registry",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for number in range(60):
        dynamodb.put_item(TableName="registry", Item={"pk": {"S": f"{number:02} {HOSTILE}"}, "size": {"N": "7"}})
    queue = client("sqs").create_queue(QueueName="arrivals")["QueueUrl"]
    client("sqs").send_message(QueueUrl=queue, MessageBody="one")
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        AlarmDescription=HOSTILE,
        Namespace="Tests",
        MetricName="errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=3,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    cloudwatch.put_metric_data(Namespace="Tests", MetricData=[{"MetricName": "errors", "Value": 9.0}])
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="set by hand")
