"""After a kill everything is there again: what ran has ended as AWS would end it, what serves serves again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import tarfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from durable_cloud import Process

_LIMIT_SECONDS = 120.0
_MIB = 2**20
_SERVER = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from a task")

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"""
_TRAIN = b"""
import os, time
from pathlib import Path

print("rows=3;", flush=True)
Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text("a model")
time.sleep(float(os.environ["SM_HP_SECONDS"]))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(Process(tmp_path_factory.mktemp("cloud") / "home"))
    try:
        made.fill()
        made.cloud.kill()
        made.cloud.start()
        yield made
    finally:
        made.cloud.stop()


class World:
    """A service, a function with a URL, a finished and an unfinished job, and objects of three sizes."""

    def __init__(self, cloud: Process) -> None:
        self.cloud = cloud
        self.port = _free_port()
        self.url = ""
        self.tasks: list[str] = []
        self.before: dict[str, Any] = {}

    def fill(self) -> None:
        self.cloud.start()
        self._put_objects()
        self._start_service()
        self._make_function()
        self._train("finished", 0)
        self._train("unfinished", 600)
        sagemaker = self.cloud.client("sagemaker")
        wait(lambda: self.job("finished")["TrainingJobStatus"] == "Completed")
        wait(lambda: self.job("unfinished")["SecondaryStatus"] == "Training")
        self.before = sagemaker.describe_training_job(TrainingJobName="finished")

    def job(self, name: str) -> Any:
        return self.cloud.client("sagemaker").describe_training_job(TrainingJobName=name)

    def service(self) -> Any:
        return self.cloud.client("ecs").describe_services(cluster="pages", services=["hello"])["services"][0]

    def _put_objects(self) -> None:
        s3 = self.cloud.client("s3")
        s3.create_bucket(Bucket="pages")
        s3.put_bucket_versioning(Bucket="pages", VersioningConfiguration={"Status": "Enabled"})
        for name, size in {"small": 10, "medium": 200_000, "large": 3 * _MIB}.items():
            s3.put_object(Bucket="pages", Key=name, Body=b"first")
            s3.put_object(Bucket="pages", Key=name, Body=content(name, size), Metadata={"size": str(size)})
        upload = s3.create_multipart_upload(Bucket="pages", Key="parts")["UploadId"]
        tag = s3.upload_part(Bucket="pages", Key="parts", UploadId=upload, PartNumber=1, Body=content("a", 6 * _MIB))[
            "ETag"
        ]
        self.upload = {"UploadId": upload, "Key": "parts", "Bucket": "pages"}
        self.parts = [{"PartNumber": 1, "ETag": tag}]

    def _start_service(self) -> None:
        ecs, elb = self.cloud.client("ecs"), self.cloud.client("elbv2")
        subnets = self.cloud.client("ec2").describe_subnets()["Subnets"][:2]
        ids = [subnet["SubnetId"] for subnet in subnets]
        balancer = elb.create_load_balancer(Name="front", Subnets=ids)["LoadBalancers"][0]["LoadBalancerArn"]
        group = elb.create_target_group(
            Name="hello", Protocol="HTTP", Port=8000, VpcId=subnets[0]["VpcId"], TargetType="ip", HealthCheckPath="/"
        )["TargetGroups"][0]["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": group}]
        elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=self.port, DefaultActions=forward)
        ecs.create_cluster(clusterName="pages")
        container = {
            "name": "web",
            "image": "public.ecr.aws/docker/library/python:3.11",
            "command": ["python", "-c", _SERVER],
            "portMappings": [{"containerPort": 8000}],
        }
        ecs.register_task_definition(
            family="hello",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )
        ecs.create_service(
            cluster="pages",
            serviceName="hello",
            taskDefinition="hello",
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": {"subnets": ids}},
            loadBalancers=[{"targetGroupArn": group, "containerName": "web", "containerPort": 8000}],
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )
        wait(lambda: get(f"http://localhost:{self.port}/") == b"hello from a task")
        wait(lambda: self.service()["deployments"][0]["rolloutState"] == "COMPLETED")
        self.tasks = ecs.list_tasks(cluster="pages")["taskArns"]

    def _make_function(self) -> None:
        package = io.BytesIO()
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("double.py", "def handler(event, context):\n    return event.get('number', 1) * 2\n")
            archive.writestr("ballast", os.urandom(100_000))
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        iam, functions = self.cloud.client("iam"), self.cloud.client("lambda")
        role = iam.create_role(RoleName="functions", AssumeRolePolicyDocument=json.dumps(trust))
        functions.create_function(
            FunctionName="double",
            Runtime="python3.11",
            Handler="double.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": package.getvalue()},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName="double", WaiterConfig={"Delay": 1})
        version = functions.publish_version(FunctionName="double")["Version"]
        functions.create_alias(FunctionName="double", Name="live", FunctionVersion=version)
        self.revision = functions.get_alias(FunctionName="double", Name="live")["RevisionId"]
        self.url = functions.create_function_url_config(FunctionName="double", AuthType="NONE")["FunctionUrl"]

    def _train(self, name: str, seconds: int) -> None:
        code = io.BytesIO()
        with tarfile.open(fileobj=code, mode="w:gz") as tar:
            entry = tarfile.TarInfo("train.py")
            entry.size = len(_TRAIN)
            tar.addfile(entry, io.BytesIO(_TRAIN))
        self.cloud.client("s3").put_object(Bucket="pages", Key="code.tar.gz", Body=code.getvalue())
        self.cloud.client("sagemaker").create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "rows", "Regex": "rows=([0-9]+);"}],
            },
            RoleArn="arn:aws:iam::123456789012:role/anybody",
            OutputDataConfig={"S3OutputPath": "s3://pages/jobs"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 900},
            HyperParameters={
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "s3://pages/code.tar.gz",
                "seconds": str(seconds),
            },
        )


def test_objects_of_every_size_and_their_versions_are_back(world: World) -> None:
    s3 = world.cloud.client("s3")
    for name, size in {"small": 10, "medium": 200_000, "large": 3 * _MIB}.items():
        found = s3.get_object(Bucket="pages", Key=name)
        body = found["Body"].read()
        assert body == content(name, size)
        assert found["ETag"] == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        assert found["Metadata"] == {"size": str(size)}
        versions = s3.list_object_versions(Bucket="pages", Prefix=name)["Versions"]
        old = s3.get_object(Bucket="pages", Key=name, VersionId=versions[-1]["VersionId"])
        assert (len(versions), old["Body"].read()) == (2, b"first")


def test_a_multipart_upload_goes_on(world: World) -> None:
    s3 = world.cloud.client("s3")
    tag = s3.upload_part(**world.upload, PartNumber=2, Body=b"the end")["ETag"]
    parts = [*world.parts, {"PartNumber": 2, "ETag": tag}]
    s3.complete_multipart_upload(**world.upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket="pages", Key="parts")["Body"].read() == content("a", 6 * _MIB) + b"the end"


def test_a_finished_job_is_as_it_was(world: World) -> None:
    job = world.job("finished")
    known = {"TrainingJobStatus", "FinalMetricDataList", "ModelArtifacts", "SecondaryStatusTransitions", "CreationTime"}
    assert {key: job[key] for key in known} == {key: world.before[key] for key in known}
    key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://pages/")
    model = world.cloud.client("s3").get_object(Bucket="pages", Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(model)) as tar:
        assert "model.txt" in [name.removeprefix("./") for name in tar.getnames()]
    logs = world.cloud.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    stream = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="finished")["logStreams"][0]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert any("rows=3;" in event["message"] for event in events)


def test_a_job_whose_process_died_has_failed_with_its_instance(world: World) -> None:
    job = world.job("unfinished")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert job["FailureReason"].startswith("InternalServerError")


def test_a_service_starts_new_tasks_behind_the_same_port(world: World) -> None:
    wait(lambda: get(f"http://localhost:{world.port}/") == b"hello from a task")
    wait(lambda: world.service()["runningCount"] == 1)
    ecs = world.cloud.client("ecs")
    old = ecs.describe_tasks(cluster="pages", tasks=world.tasks)["tasks"][0]
    assert (old["lastStatus"], old["stopCode"]) == ("STOPPED", "TerminationNotice")
    assert ecs.list_tasks(cluster="pages")["taskArns"] != world.tasks
    deployment = world.service()["deployments"][0]
    assert (deployment["rolloutState"], deployment["failedTasks"]) == ("COMPLETED", 0)


def test_a_function_its_alias_and_its_url_answer_again(world: World) -> None:
    functions = world.cloud.client("lambda")
    payload = functions.invoke(FunctionName="double", Qualifier="live", Payload=b'{"number": 21}')["Payload"].read()
    assert json.loads(payload) == 42
    assert functions.get_alias(FunctionName="double", Name="live")["RevisionId"] == world.revision
    assert get(world.url) == b"2"


def content(name: str, size: int) -> bytes:
    """Return bytes that differ from name to name."""
    return (hashlib.sha256(name.encode()).digest() * (size // 32 + 1))[:size]


def get(url: str) -> bytes:
    """Return a page, or nothing while it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: bytes = answer.read()
            return found
    except OSError:
        return b""


def wait(holds: Callable[[], bool]) -> None:
    """Return when a condition holds."""
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
