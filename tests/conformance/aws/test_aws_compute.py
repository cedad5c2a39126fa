"""EC2 and ECS: tokens make a repeat harmless, names are unique."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.aws.target import Aws, refusal


@pytest.fixture(scope="module")
def ec2(aws: Aws) -> Any:
    return aws.client("ec2")


def _image(ec2: Any) -> str:
    wanted = [
        {"Name": "architecture", "Values": ["x86_64"]},
        {"Name": "name", "Values": ["al2023-ami-2023*", "amzn2*"]},
    ]
    found = ec2.describe_images(Owners=["amazon"], Filters=wanted)["Images"]
    return str(max(found, key=lambda image: image["CreationDate"])["ImageId"])


def test_instances_with_their_token_are_started_once(aws: Aws, ec2: Any) -> None:
    order = {"ImageId": _image(ec2), "InstanceType": "t3.nano", "MinCount": 1, "MaxCount": 1, "ClientToken": aws.name()}
    started = set()
    for _ in range(3):
        started |= {entry["InstanceId"] for entry in ec2.run_instances(**order)["Instances"]}
        aws.at_end(ec2.terminate_instances, InstanceIds=sorted(started))
    assert len(started) == 1
    code = refusal(ec2.run_instances, **{**order, "MaxCount": 2})
    assert code == "IdempotentParameterMismatch"


def test_an_instance_that_never_was_is_not_found(ec2: Any) -> None:
    code = refusal(ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"])
    assert code == "InvalidInstanceID.NotFound"


def test_what_must_be_there_is_missed(aws: Aws) -> None:
    ec2 = aws.client("ec2", parameter_validation=False)
    assert refusal(ec2.run_instances, ImageId="ami-12345678") == "MissingParameter"


@pytest.fixture(scope="module")
def cluster(aws: Aws) -> str:
    ecs, name = aws.client("ecs"), aws.name()
    ecs.create_cluster(clusterName=name)
    aws.at_end(ecs.delete_cluster, cluster=name)
    return name


@pytest.fixture(scope="module")
def definition(aws: Aws) -> str:
    ecs = aws.client("ecs")
    container = {
        "name": "wait",
        "image": "public.ecr.aws/docker/library/python:3.11",
        "command": ["python", "-c", "import time; time.sleep(600)"],
    }
    family = ecs.register_task_definition(
        family=aws.name(),
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[container],
    )["taskDefinition"]
    arn = str(family["taskDefinitionArn"])
    aws.at_end(ecs.deregister_task_definition, taskDefinition=arn)
    return arn


def _fargate(ec2: Any, cluster: str, definition: str) -> dict[str, Any]:
    subnets = [entry["SubnetId"] for entry in ec2.describe_subnets()["Subnets"][:1]]
    network = {"awsvpcConfiguration": {"subnets": subnets, "assignPublicIp": "ENABLED"}}
    return {
        "cluster": cluster,
        "taskDefinition": definition,
        "launchType": "FARGATE",
        "networkConfiguration": network,
    }


def test_tasks_with_their_token_are_started_once(aws: Aws, ec2: Any, cluster: str, definition: str) -> None:
    ecs = aws.client("ecs")
    order = {**_fargate(ec2, cluster, definition), "clientToken": aws.name()}
    started = {task["taskArn"] for _ in range(3) for task in ecs.run_task(**order)["tasks"]}
    for task in started:
        aws.at_end(ecs.stop_task, cluster=cluster, task=task)
    assert len(started) == 1
    assert refusal(ecs.run_task, **{**order, "count": 2}) == "ConflictException"


def test_a_service_has_its_name_alone(aws: Aws, ec2: Any, cluster: str, definition: str) -> None:
    ecs, name = aws.client("ecs"), aws.name()
    order = {**_fargate(ec2, cluster, definition), "serviceName": name, "desiredCount": 0}
    ecs.create_service(**order)
    aws.at_end(ecs.delete_service, cluster=cluster, service=name, force=True)
    assert refusal(ecs.create_service, **{**order, "desiredCount": 1}) == "InvalidParameterException"
