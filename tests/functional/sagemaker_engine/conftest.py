"""A cloud whose training jobs run: one server for all tests here, one job name for each."""

import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from localcloud.engines.sagemaker import SageMakerEngine
from localcloud.engines.sagemaker_run import LOG_GROUP
from localcloud.engines.sagemaker_site import RunSettings
from localcloud.runtime import ROOT
from localcloud.server import LocalCloud
from ratchet.aws.signed import send_signed

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
ROLE = "arn:aws:iam::123456789012:role/service-role/ratchet-training"
PYTHON_IMAGE = "public.ecr.aws/docker/library/python:3.11"  # runs in localcloud's own environment, without the toolkit
SCRIPTS = Path(__file__).with_name("scripts")
_GRACE_SECONDS = 1.5
_LIMIT_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.mxnet)
            item.add_marker(pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"))


class Cloud:
    """The clients of a test, and what most tests do with them."""

    def __init__(self, url: str, home: Path) -> None:
        options = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.url = url
        self.home = home
        self.s3 = boto3.client("s3", **options)
        self.sagemaker = boto3.client("sagemaker", **options)
        self.logs = boto3.client("logs", **options)
        for bucket in ("data", "jobs"):
            self.s3.create_bucket(Bucket=bucket)

    def put_data(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket="data", Key=key, Body=b"pixels")

    def put_manifest(self, key: str, *entries: Any) -> None:
        self.s3.put_object(Bucket="data", Key=key, Body=json.dumps(entries).encode())

    def put_code(self, script: str) -> str:
        """Bundle a script; return the bundle's S3 name."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            tar.add(SCRIPTS / script, arcname=script)
        self.s3.put_object(Bucket="jobs", Key=f"code/{script}.tar.gz", Body=packed.getvalue())
        return f"s3://jobs/code/{script}.tar.gz"

    def request(self, name: str, script: str, **changes: Any) -> dict[str, Any]:
        """Return a request like the product's own."""
        metrics = ("accuracy", "epoch", "loss")
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": metric, "Regex": rf"\[metric\].*?\b{metric}=([-+0-9.eEnaif]+);"} for metric in metrics
                ],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://jobs/jobs"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
            "HyperParameters": {
                "sagemaker_program": json.dumps(script),
                "sagemaker_submit_directory": json.dumps(self.put_code(script)),
                "epochs": "3",
                "network": json.dumps("lenet"),
            },
            "Environment": {"FLAVOUR": "vanilla"},
            **changes,
        }

    def plain(self, script: str, **changes: Any) -> dict[str, Any]:
        """Return changes that make a request run a script by itself, without AWS's toolkit: much faster."""
        algorithm = {
            "TrainingImage": PYTHON_IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", str(SCRIPTS / script)],
            "MetricDefinitions": [{"Name": "epoch", "Regex": r"epoch=([0-9]+);"}],
        }
        return {"AlgorithmSpecification": algorithm, **changes}

    def notify(self, **notice: Any) -> tuple[int, str]:
        """Send a Spot notice; return the status and what was said."""
        url, key = f"{self.url}/_localcloud/spot", ("test", "test")
        status, said = send_signed("POST", url, notice, region="us-east-1", key=key)
        return status, said["message"]

    def start(self, name: str, script: str, **changes: Any) -> None:
        self.sagemaker.create_training_job(**self.request(name, script, **changes))

    def run(self, name: str, script: str, **changes: Any) -> dict[str, Any]:
        self.start(name, script, **changes)
        return self.wait_for_end(name)

    def describe(self, name: str) -> dict[str, Any]:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def stop(self, name: str) -> None:
        self.sagemaker.stop_training_job(TrainingJobName=name)

    def wait_for_end(self, name: str) -> dict[str, Any]:
        wait_until(lambda: self.describe(name)["TrainingJobStatus"] not in ("InProgress", "Stopping"))
        return self.describe(name)

    def wait_for_object(self, key: str) -> None:
        wait_until(lambda: self.s3.list_objects_v2(Bucket="jobs", Prefix=key)["KeyCount"])

    def read_log(self, name: str, group: str = LOG_GROUP) -> list[str]:
        """Return the lines of a job, those of its first host first."""
        found = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")
        lines = []
        for stream in sorted(entry["logStreamName"] for entry in found["logStreams"]):
            events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)
            lines += [event["message"] for event in events["events"]]
        return lines

    def wait_for_line(self, name: str, line: str) -> None:
        """Wait until a job has printed a line."""
        self.wait_for_prefix(name, line, LOG_GROUP)

    def wait_for_prefix(self, name: str, start: str, group: str) -> None:
        """Wait until a job has printed a line that begins so."""

        def look() -> bool:
            with suppress(ClientError):  # the group is made with the first line
                return any(line.startswith(start) for line in self.read_log(name, group))
            return False

        wait_until(look)

    def wait_for_pids(self, name: str) -> list[int]:
        """Wait until the script has told its process id, and perhaps its parent's."""

        def look() -> list[int]:
            with suppress(ClientError):  # the group is made with the first line
                for line in self.read_log(name):
                    if line.startswith("pid "):
                        return [int(word) for word in line.split()[1:]]
            return []

        return wait_until(look)

    def read_archive(self, job: str, file: str) -> dict[str, bytes]:
        body = self.s3.get_object(Bucket="jobs", Key=f"jobs/{job}/output/{file}")["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            return {found.name: tar.extractfile(found).read() for found in tar if found.isreg()}

    def list_output(self, job: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="jobs", Prefix=f"jobs/{job}/").get("Contents", [])
        return [entry["Key"].rpartition("/")[2] for entry in found]

    def refusal(self, call: str, **parameters: Any) -> tuple[str, str]:
        """Make a call that must be refused; return the error's code and message."""
        with pytest.raises(ClientError) as caught:
            getattr(self.sagemaker, call)(**parameters)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def wait_until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


def is_running(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def running_cloud(home: Path, ping_seconds: float = 60) -> Iterator[Cloud]:
    engine = SageMakerEngine(
        RunSettings(stop_grace_seconds=_GRACE_SECONDS, checkpoint_look_seconds=0.05, ping_seconds=ping_seconds)
    )
    with LocalCloud(home=home, engines=[engine]) as server:
        yield Cloud(server.url, home)


@contextmanager
def running_process(home: Path) -> Iterator[tuple[Cloud, subprocess.Popen[bytes]]]:
    ready = home / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--home", str(home), "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        wait_until(ready.is_file)
        yield Cloud(json.loads(ready.read_text())["url"], home), process
    finally:
        process.terminate()
        process.wait(_LIMIT_SECONDS)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("localcloud")) as found:
        yield found


@pytest.fixture
def own_cloud(tmp_path: Path) -> Callable[..., AbstractContextManager[Cloud]]:
    """A cloud that the test itself starts and stops."""
    return lambda **settings: running_cloud(tmp_path, **settings)


@pytest.fixture
def own_process(tmp_path: Path) -> Callable[[], AbstractContextManager[tuple[Cloud, subprocess.Popen[bytes]]]]:
    """A cloud in a process of its own, each time with the same home."""
    return lambda: running_process(tmp_path)


@pytest.fixture
def ends() -> Callable[[int], None]:
    """Wait until a process has ended."""
    return lambda pid: wait_until(lambda: not is_running(pid))


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], Any]:
    """Wait until a look finds something."""
    return wait_until
