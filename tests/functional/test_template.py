"""infra/ratchet.yaml on localcloud: everything the product relies on is there, and set as the template says."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import boto3
import pytest

from localcloud.server import LocalCloud
from ratchet.aws.client import Aws
from ratchet.aws.stack import Deployment, read_deployment

_TEMPLATE = Path(__file__).parents[2] / "infra" / "ratchet.yaml"
_STACK = "ratchet"
_LIMIT_SECONDS = 30
_BUCKETS = ("data_bucket", "models_bucket", "jobs_bucket")
_TABLES = ("registry_table", "ledger_table")


class Laptop:
    """Clients of one localcloud, with the two members that the product's door to AWS has."""

    region = "us-east-1"

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=self.region, endpoint_url=self._cloud.url, **keys)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as cloud:
        yield Laptop(cloud)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        chosen: int = free.getsockname()[1]
    return chosen


@pytest.fixture(scope="module")
def deployment(laptop: Laptop, port: int) -> Deployment:
    ec2, cloudformation = laptop.client("ec2"), laptop.client("cloudformation")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    values = {
        "VpcId": vpc,
        "SubnetIds": ",".join(subnet["SubnetId"] for subnet in subnets[:2]),
        "ListenerPort": str(port),
        "FunctionUrlAuth": "NONE",
        "FetchAllowedHosts": "localhost",
    }
    cloudformation.create_stack(
        StackName=_STACK,
        TemplateBody=_TEMPLATE.read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    assert cloudformation.describe_stacks(StackName=_STACK)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
    return read_deployment(cast(Aws, laptop), _STACK)


def test_every_output_says_where_something_is(deployment: Deployment) -> None:
    assert [name for name, value in asdict(deployment).items() if not value] == []


@pytest.mark.parametrize("bucket", _BUCKETS)
def test_a_bucket_keeps_versions_and_is_closed_and_encrypted(
    laptop: Laptop, deployment: Deployment, bucket: str
) -> None:
    s3, name = laptop.client("s3"), getattr(deployment, bucket)
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}
    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] in {"AES256", "aws:kms"}
    statement = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"][0]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_every_role_can_do_something(laptop: Laptop, deployment: Deployment) -> None:
    iam = laptop.client("iam")
    for arn in (deployment.training_role_arn, deployment.task_role_arn, deployment.execution_role_arn):
        assert iam.list_role_policies(RoleName=arn.rpartition("/")[2])["PolicyNames"]


def test_old_output_of_jobs_expires(laptop: Laptop, deployment: Deployment) -> None:
    rules = laptop.client("s3").get_bucket_lifecycle_configuration(Bucket=deployment.jobs_bucket)["Rules"]
    assert any(rule["Status"] == "Enabled" and "Expiration" in rule for rule in rules)


@pytest.mark.parametrize("table", _TABLES)
def test_a_table_is_paid_by_request_and_can_be_restored(laptop: Laptop, deployment: Deployment, table: str) -> None:
    dynamodb, name = laptop.client("dynamodb"), getattr(deployment, table)
    found = dynamodb.describe_table(TableName=name)["Table"]
    assert {(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]} == {("pk", "HASH"), ("sk", "RANGE")}
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["SSEDescription"]["Status"] == "ENABLED"
    assert found["DeletionProtectionEnabled"] is True
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_arrivals_and_removals_reach_the_queue_with_version_and_order(laptop: Laptop, deployment: Deployment) -> None:
    s3, bucket = laptop.client("s3"), deployment.data_bucket
    put = s3.put_object(Bucket=bucket, Key="datasets/shapes/round/a b.png", Body=b"1")
    s3.put_object(Bucket=bucket, Key="manifests/shapes/1.json", Body=b"{}")
    marker = s3.delete_object(Bucket=bucket, Key="datasets/shapes/round/a b.png")
    s3.delete_object(Bucket=bucket, Key="datasets/shapes/round/a b.png", VersionId=put["VersionId"])
    records = _receive_records(laptop.client("sqs"), deployment.arrivals_queue_url, 3)
    told = [(r["eventName"], r["s3"]["object"]["key"], r["s3"]["object"]["versionId"]) for r in records]
    key = "datasets/shapes/round/a+b.png"
    assert told == [
        ("ObjectCreated:Put", key, put["VersionId"]),
        ("ObjectRemoved:DeleteMarkerCreated", key, marker["VersionId"]),
        ("ObjectRemoved:Delete", key, put["VersionId"]),
    ]
    sequence = [int(r["s3"]["object"]["sequencer"], 16) for r in records]
    assert sequence == sorted(set(sequence))


def test_what_cannot_be_handled_goes_to_the_dead_letter_queue(laptop: Laptop, deployment: Deployment) -> None:
    sqs = laptop.client("sqs")
    attributes = sqs.get_queue_attributes(QueueUrl=deployment.arrivals_queue_url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith("-dead")
    allowed = json.loads(attributes["Policy"])["Statement"][0]
    assert allowed["Principal"] == {"Service": "s3.amazonaws.com"}
    assert "aws:SourceArn" in json.dumps(allowed["Condition"])


def test_the_service_waits_for_its_first_release(laptop: Laptop, deployment: Deployment) -> None:
    ecs = laptop.client("ecs")
    service = ecs.describe_services(cluster=deployment.cluster_name, services=[deployment.service_name])["services"][0]
    assert (service["status"], service["desiredCount"]) == ("ACTIVE", 0)
    assert service["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["loadBalancers"][0]["targetGroupArn"] == deployment.target_group_arn
    definition = ecs.describe_task_definition(taskDefinition=deployment.service_task_family)["taskDefinition"]
    environment = {entry["name"]: entry["value"] for entry in definition["containerDefinitions"][0]["environment"]}
    assert environment == {"PORT": "8080", "RATCHET_FETCH_ALLOWED_HOSTS": "localhost"}


def test_the_load_balancer_looks_at_the_health_of_tasks(laptop: Laptop, deployment: Deployment, port: int) -> None:
    elbv2 = laptop.client("elbv2")
    group = elbv2.describe_target_groups(TargetGroupArns=[deployment.target_group_arn])["TargetGroups"][0]
    assert (group["HealthCheckPath"], group["Matcher"]["HttpCode"], group["TargetType"]) == ("/", "200", "ip")
    found = elbv2.describe_target_group_attributes(TargetGroupArn=deployment.target_group_arn)["Attributes"]
    attributes = {attribute["Key"]: attribute["Value"] for attribute in found}
    assert attributes["deregistration_delay.timeout_seconds"] == "10"
    assert deployment.service_url == f"http://localhost:{port}"
    with socket.create_connection(("localhost", port), timeout=_LIMIT_SECONDS):
        pass


def test_the_function_has_an_alias_with_a_url(laptop: Laptop, deployment: Deployment) -> None:
    lambda_ = laptop.client("lambda")
    alias = lambda_.get_alias(FunctionName=deployment.function_name, Name=deployment.function_alias)
    assert (alias["Name"], alias["FunctionVersion"]) == ("live", "1")
    url = lambda_.get_function_url_config(FunctionName=deployment.function_name, Qualifier="live")
    assert (url["FunctionUrl"], url["AuthType"]) == (deployment.function_url, "NONE")
    function = lambda_.get_function_configuration(FunctionName=deployment.function_name)
    assert function["PackageType"] == "Image"
    assert function["Environment"]["Variables"] == {"RATCHET_FETCH_ALLOWED_HOSTS": "localhost"}


def test_alarms_tell_the_topic(laptop: Laptop, deployment: Deployment) -> None:
    alarms = laptop.client("cloudwatch").describe_alarms()["MetricAlarms"]
    metrics = {alarm["MetricName"] for alarm in alarms}
    assert {"HTTPCode_Target_5XX_Count", "UnHealthyHostCount", "Errors"} <= metrics
    assert "ApproximateNumberOfMessagesVisible" in metrics
    assert all(alarm["AlarmActions"] == [deployment.notifications_topic_arn] for alarm in alarms)


def test_logs_are_not_kept_for_ever(laptop: Laptop, deployment: Deployment) -> None:
    groups = laptop.client("logs").describe_log_groups()["logGroups"]
    ours = [group for group in groups if deployment.function_name in group["logGroupName"] or _STACK in group["arn"]]
    assert len(ours) >= 2
    assert all(group.get("retentionInDays") == 30 for group in ours)


def test_no_policy_allows_every_action(laptop: Laptop, deployment: Deployment) -> None:
    iam = laptop.client("iam")
    statements = [
        statement for policy in _policies(iam) for statement in policy["Statement"] if statement["Effect"] == "Allow"
    ]
    actions = [action for statement in statements for action in _many(statement["Action"])]
    assert len(actions) > 20
    assert [action for action in actions if "*" in action] == []
    passing = [statement for statement in statements if "iam:PassRole" in _many(statement["Action"])]
    assert all("iam:PassedToService" in json.dumps(statement["Condition"]) for statement in passing)


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _policies(iam: Any) -> Iterator[dict[str, Any]]:
    for role in iam.list_roles()["Roles"]:
        for name in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            yield iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]
    for policy in iam.list_policies(Scope="Local")["Policies"]:
        version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
        yield version["PolicyVersion"]["Document"]


def _receive_records(sqs: Any, queue_url: str, wanted: int) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []

    def receive() -> bool:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            records.extend(json.loads(message["Body"]).get("Records", []))  # S3's test event has none
        return len(records) >= wanted

    _until(receive)
    return sorted(records, key=lambda record: record["s3"]["object"]["sequencer"])


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
