"""Permissions: what a role's policies allow happens, the rest is refused as AWS does, and all of it is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.engines import load_engines
from localcloud.permission import permissions_of
from localcloud.request import Call
from localcloud.server import LocalCloud
from ratchet.aws.signed import send_signed

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::data/in/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data"},
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/mine"},
        {"Effect": "Deny", "Action": "dynamodb:DeleteItem", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "sagemaker:CreateTrainingJob",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
        },
        {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"},
    ],
}


class World:
    """A localcloud that enforces, its owner's clients, and those of a session of the role."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        iam = self.owner("iam")
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName="worker", PolicyName="work", PolicyDocument=json.dumps(POLICY))
        made = self.owner("sts").assume_role(RoleArn=ROLE, RoleSessionName="job")["Credentials"]
        self._session = {
            "aws_access_key_id": made["AccessKeyId"],
            "aws_secret_access_key": made["SecretAccessKey"],
            "aws_session_token": made["SessionToken"],
        }
        s3 = self.owner("s3")
        s3.create_bucket(Bucket="data")
        for key in ("in/a/1", "out/1"):
            s3.put_object(Bucket="data", Key=key, Body=b"x")

    def owner(self, service: str) -> Any:
        key = self.cloud.access_key
        return self._client(service, aws_access_key_id=key.id, aws_secret_access_key=key.secret)

    def worker(self, service: str) -> Any:
        return self._client(service, **self._session)

    def _client(self, service: str, **keys: str) -> Any:
        config = Config(retries={"max_attempts": 0})
        return boto3.client(service, endpoint_url=self.cloud.url, region_name="us-east-1", config=config, **keys)

    def steer(self, method: str, path: str) -> tuple[int, Any]:
        key = self.cloud.access_key
        return send_signed(method, f"{self.cloud.url}{path}", region="us-east-1", key=(key.id, key.secret))

    def calls(self) -> dict[tuple[str, str], tuple[bool, int]]:
        found = self.steer("GET", "/_localcloud/calls")[1]["calls"]
        return {
            (entry["action"], entry["resource"]): (entry["granted"], entry["count"])
            for entry in found
            if entry["principal"] == ROLE
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    engines = load_engines(["s3", "dynamodb"])
    with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=engines, enforce_iam=True) as cloud:
        yield World(cloud)


def refusal(call: Any, **members: Any) -> str:
    with pytest.raises(ClientError) as refused:
        call(**members)
    return str(refused.value.response["Error"]["Code"])


def test_a_role_does_what_it_may_and_nothing_else(world):
    s3 = world.worker("s3")
    assert s3.get_object(Bucket="data", Key="in/a/1")["Body"].read() == b"x"
    assert s3.list_objects_v2(Bucket="data")["KeyCount"] == 2
    assert refusal(s3.get_object, Bucket="data", Key="out/1") == "AccessDenied"
    assert refusal(s3.head_object, Bucket="data", Key="out/1") == "403"
    assert refusal(s3.put_object, Bucket="data", Key="out/2", Body=b"") == "AccessDenied"
    assert refusal(s3.delete_object, Bucket="data", Key="in/a/1") == "AccessDenied"
    source = {"Bucket": "data", "Key": "out/1"}
    assert refusal(s3.copy_object, Bucket="data", Key="in/copy", CopySource=source) == "AccessDenied"
    keys = {entry["Key"] for entry in world.owner("s3").list_objects_v2(Bucket="data")["Contents"]}
    assert keys == {"in/a/1", "out/1"}


def test_each_protocol_refuses_in_its_own_words(world):
    assert refusal(world.worker("dynamodb").list_tables) == "AccessDeniedException"
    assert refusal(world.worker("lambda").list_functions) == "AccessDeniedException"
    assert refusal(world.worker("sns").list_topics) == "AccessDenied"
    ec2 = world.worker("ec2")
    ec2.describe_vpcs()
    assert refusal(ec2.run_instances, ImageId="ami-1", MinCount=1, MaxCount=1) == "UnauthorizedOperation"
    assert world.worker("sts").get_caller_identity()["Arn"].endswith("assumed-role/worker/job")


def test_each_item_of_a_transaction_needs_its_own_permission(world):
    for name in ("mine", "theirs"):
        world.owner("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    dynamodb = world.worker("dynamodb")

    def put(table: str) -> dict[str, Any]:
        return {"Put": {"TableName": table, "Item": {"pk": {"S": "k"}}}}

    dynamodb.transact_write_items(TransactItems=[put("mine")])
    delete = {"Delete": {"TableName": "mine", "Key": {"pk": {"S": "other"}}}}
    for items in ([put("mine"), put("theirs")], [put("mine"), delete]):
        assert refusal(dynamodb.transact_write_items, TransactItems=items) == "AccessDeniedException"
    assert world.owner("dynamodb").scan(TableName="theirs")["Count"] == 0


def test_a_role_that_is_handed_on_needs_a_permission_too(world):
    request = {
        "TrainingJobName": "j",
        "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/other",
        "OutputDataConfig": {"S3OutputPath": "s3://data/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    with pytest.raises(ClientError, match="iam:PassRole"):
        world.worker("sagemaker").create_training_job(**request)


def test_who_called_what_is_counted(world):
    world.steer("DELETE", "/_localcloud/calls")
    s3 = world.worker("s3")
    for _ in range(3):
        s3.get_object(Bucket="data", Key="in/a/1")
    refusal(s3.get_object, Bucket="data", Key="out/1")
    assert world.calls() == {
        ("s3:GetObject", "arn:aws:s3:::data/in/*"): (True, 3),
        ("s3:GetObject", "arn:aws:s3:::data/out/*"): (False, 1),
    }


@pytest.mark.parametrize("path", ["/_localcloud/calls", "/_localcloud/faults", "/_localcloud/spot"])
def test_what_steers_the_instance_is_its_owner_s_alone(world, path):
    keys = world._session["aws_access_key_id"], world._session["aws_secret_access_key"]
    assert send_signed("POST", f"{world.cloud.url}{path}", {}, region="us-east-1", key=keys)[0] in {400, 403}
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    request = AWSRequest("GET", f"{world.cloud.url}{path}")
    SigV4Auth(Credentials(*world._session.values()), "localcloud", "us-east-1").add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    assert (answer.status_code, "owner" in answer.text) == (403, True)


def call(service: str, *, path: str = "/", body: Any = None, method: str = "POST") -> Call:
    content = b"" if body is None else json.dumps(body).encode()
    return Call(service, "us-east-1", method, path, "x" if service != "lambda" else "", "application/json", content)


@pytest.mark.parametrize(
    ("made", "operation", "query", "needs"),
    [
        (call("s3", path="/b/k/l"), "GetObject", "versionId=1", [("s3:GetObjectVersion", "arn:aws:s3:::b/k/l")]),
        (call("s3", path="/b"), "ListObjectsV2", "", [("s3:ListBucket", "arn:aws:s3:::b")]),
        (call("s3"), "ListBuckets", "", [("s3:ListAllMyBuckets", "*")]),
        (call("monitoring"), "DescribeAlarms", "", [("cloudwatch:DescribeAlarms", None)]),
        (
            call("lambda", path="/2015-03-31/functions/f/aliases/live"),
            "GetAlias",
            "",
            [("lambda:GetAlias", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f:live")],
        ),
        (
            call("lambda", path="/2015-03-31/functions/f/invocations"),
            "Invoke",
            "",
            [("lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f")],
        ),
        (
            call("sqs", body={"QueueUrl": f"http://localhost/{ACCOUNT}/q"}),
            "DeleteMessageBatch",
            "",
            [("sqs:DeleteMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:q")],
        ),
        (
            call("ecs", body={"cluster": "c", "services": ["s"]}),
            "DescribeServices",
            "",
            [("ecs:DescribeServices", f"arn:aws:ecs:us-east-1:{ACCOUNT}:service/c/s")],
        ),
        (call("ecs", body={"familyPrefix": "f"}), "ListTaskDefinitions", "", [("ecs:ListTaskDefinitions", "*")]),
        (
            call("sagemaker", body={"TrainingJobName": "j", "Tags": [{}], "RoleArn": ROLE}),
            "CreateTrainingJob",
            "",
            [
                ("sagemaker:CreateTrainingJob", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/j"),
                ("sagemaker:AddTags", f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/j"),
                ("iam:PassRole", ROLE),
            ],
        ),
        (
            call("logs", body={"logGroupName": "/g", "logStreamName": "s"}),
            "GetLogEvents",
            "",
            [("logs:GetLogEvents", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/g:log-stream:s")],
        ),
    ],
)
def test_an_operation_needs_what_iam_says(made, operation, query, needs):
    found = permissions_of(made, operation, query=query, account=ACCOUNT)
    assert [(permission.action, permission.resource) for permission in found] == needs
