"""Requests that AWS would refuse for breaking the service's model are refused here, with the service's own error."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.server import LocalCloud

_JOB: dict[str, Any] = {
    "TrainingJobName": "job",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "RoleArn": "arn:aws:iam::123456789012:role/training",
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
_ROLE = "arn:aws:iam::123456789012:role/serving"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=[]) as made:
        yield made


@pytest.fixture(scope="module")
def client(cloud: LocalCloud) -> Callable[[str], Any]:
    """Return clients that send whatever they are given."""
    config = Config(parameter_validation=False, retries={"max_attempts": 0})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

    def make(service: str) -> Any:
        return boto3.client(service, region_name="us-east-1", endpoint_url=cloud.url, config=config, **keys)

    return make


def _refusal(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(**members)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"TrainingJobName": "j" * 64}, "'trainingJobName' .*length less than or equal to 63"),
        ({"TrainingJobName": "under_score"}, "'trainingJobName' .*regular expression pattern"),
        ({"RoleArn": None}, "'roleArn' .*must not be null"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 0}}, "'stoppingCondition.maxRuntimeInSeconds' .*greater than"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": "60"}},
            "'stoppingCondition.maxRuntimeInSeconds' .*type integer",
        ),
        ({"HyperParameters": {"x" * 257: "1"}}, "'hyperParameters.key' .*less than or equal to 256"),
    ],
)
def test_a_training_job_that_breaks_the_model_is_refused(
    client: Callable[[str], Any], change: dict[str, Any], says: str
) -> None:
    members = {key: value for key, value in {**_JOB, **change}.items() if value is not None}
    code, message = _refusal(client("sagemaker").create_training_job, **members)
    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: ")
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(message)


def test_every_violation_is_told(client: Callable[[str], Any]) -> None:
    members = {**_JOB, "TrainingJobName": "_", "ResourceConfig": {"InstanceType": "abacus", "VolumeSizeInGB": -1}}
    code, message = _refusal(client("sagemaker").create_training_job, **members)
    assert code == "ValidationException"
    assert message.startswith("3 validation errors detected: ")
    assert "enum value set" in message


def test_an_empty_ecs_call_is_refused_by_its_own_error(client: Callable[[str], Any]) -> None:
    code, message = _refusal(client("ecs").register_task_definition, family="f")
    assert code == "InvalidParameterException"
    assert "'containerDefinitions'" in message


def test_a_name_in_lambdas_path_is_checked(client: Callable[[str], Any]) -> None:
    code, message = _refusal(client("lambda").get_function_configuration, FunctionName="a b")
    assert code == "ValidationException"
    assert "'functionName'" in message


def test_a_body_of_lambda_is_checked(client: Callable[[str], Any]) -> None:
    image = {"ImageUri": "1.dkr.ecr.us-east-1.amazonaws.com/ratchet-inference:1"}
    members = {"FunctionName": "f", "Role": _ROLE, "Code": image, "PackageType": "Image", "MemorySize": 64}
    code, message = _refusal(client("lambda").create_function, **members)
    assert code == "ValidationException"
    assert "'memorySize'" in message


@pytest.mark.parametrize(
    ("service", "operation", "members", "code"),
    [
        ("cloudformation", "create_stack", {"StackName": "s", "TimeoutInMinutes": 0}, "ValidationError"),
        ("elbv2", "create_target_group", {"Name": "n", "Port": 99999, "Protocol": "HTTP"}, "ValidationError"),
        ("elbv2", "create_target_group", {"Name": "n", "Port": 80, "Protocol": "GOPHER"}, "ValidationError"),
        ("iam", "create_role", {"RoleName": "no spaces", "AssumeRolePolicyDocument": "{}"}, "ValidationError"),
    ],
)
def test_the_query_protocol_is_checked(
    client: Callable[[str], Any], service: str, operation: str, members: dict[str, Any], code: str
) -> None:
    refused, message = _refusal(getattr(client(service), operation), **members)
    assert refused == code
    assert "failed to satisfy constraint" in message


def test_a_body_that_is_not_json_is_refused(client: Callable[[str], Any]) -> None:
    dynamodb = client("dynamodb")

    def spoil(request: Any, **_: Any) -> None:
        request.data = b"[" * 100_000

    dynamodb.meta.events.register("before-sign.dynamodb.ListTables", spoil)
    assert _refusal(dynamodb.list_tables)[0] == "SerializationException"


def test_good_calls_of_every_covered_protocol_pass(client: Callable[[str], Any]) -> None:
    dynamodb, logs, cloudformation = client("dynamodb"), client("logs"), client("cloudformation")
    dynamodb.create_table(
        TableName="good",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"pk": {"S": "x"}, "bytes": {"B": b"\x00"}, "deep": {"M": {"a": {"L": [{"N": "1"}, {"NULL": True}]}}}}
    dynamodb.put_item(TableName="good", Item=item)
    assert dynamodb.get_item(TableName="good", Key={"pk": {"S": "x"}})["Item"] == item
    logs.create_log_group(logGroupName="/ratchet/x")
    cloudformation.validate_template(TemplateBody='{"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}')
    client("cloudwatch").put_metric_data(Namespace="n", MetricData=[{"MetricName": "m", "Value": 1.5}])
    assert client("lambda").list_functions()["Functions"] == []
    topic = client("sns").create_topic(Name="t", Tags=[{"Key": "k", "Value": "v"}])["TopicArn"]
    assert client("sns").list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "k", "Value": "v"}]


@pytest.mark.parametrize("member", ["AttributeNames", "MessageSystemAttributeNames"])
def test_a_message_s_attributes_may_be_asked_for_by_the_old_name_and_by_the_new(client, member) -> None:
    sqs = client("sqs")
    url = sqs.create_queue(QueueName=f"asked-{member.lower()}")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    (message,) = sqs.receive_message(QueueUrl=url, **{member: ["ApproximateReceiveCount"]})["Messages"]
    assert message["Attributes"] == {"ApproximateReceiveCount": "1"}
