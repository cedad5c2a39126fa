"""Training jobs really run, end and leave what SageMaker would leave: AWS's toolkit, through boto3, as a process."""

import io
import json
import os
import signal
import tarfile
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from localcloud.engine import Host
from localcloud.engines.sagemaker import SageMakerEngine
from localcloud.engines.sagemaker_run import RunSettings
from localcloud.process import Supervisor
from localcloud.runtime import ROOT, Runtimes

pytestmark = [
    pytest.mark.mxnet,
    pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"),
]

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
ROLE = "arn:aws:iam::123456789012:role/service-role/ratchet-training"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
GRACE_SECONDS = 1.5

TRAIN = """
import json, os, sys
for epoch in range(3):
    print("[metric] epoch=%d; accuracy=%.2f; loss=nan;" % (epoch, 0.5 + epoch / 10))
print("arguments", sys.argv[1:], "job", os.environ["TRAINING_JOB_NAME"], "flavour", os.environ["FLAVOUR"])
channel = os.environ["SM_CHANNEL_TRAIN"]
found = sorted(os.path.relpath(os.path.join(folder, name), channel) for folder, _, names in os.walk(channel)
               for name in names)
print("found", json.dumps(found))
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as stream:
    json.dump({"found": found}, stream)
with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt"), "w") as stream:
    stream.write("fine")
"""
FAIL = "import os\nopen(os.environ['SM_MODEL_DIR'] + '/half', 'w').close()\nraise ValueError('the data makes no sense')"
WAIT = """
import os, signal, sys, time
def save(*_):
    with open(os.path.join(os.environ["SM_MODEL_DIR"], "saved"), "w") as stream:
        stream.write("in time")
    print("saved", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(60)
"""
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid(), flush=True)
while True:
    time.sleep(60)
"""
CHECKPOINT = """
import os, sys, time
folder = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
before = sorted(os.listdir(folder))
print("resumed from", before, flush=True)
number = len(before)
with open(os.path.join(folder, "epoch-%d" % number), "w") as stream:
    stream.write(str(number))
if number == 0:
    print("pid", os.getpid(), flush=True)
    while True:
        time.sleep(60)
"""


class Cloud:
    """The clients of a test, and what most tests do with them."""

    def __init__(self, url: str, home: Path) -> None:
        options = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }
        self.home = home
        self.s3 = boto3.client("s3", **options)
        self.sagemaker = boto3.client("sagemaker", **options)
        self.logs = boto3.client("logs", **options)
        for bucket in ("data", "jobs"):
            self.s3.create_bucket(Bucket=bucket)

    def put_code(self, script: str) -> str:
        """Bundle a script as train.py; return its S3 name."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            entry = tarfile.TarInfo("train.py")
            entry.size = len(script.encode())
            tar.addfile(entry, io.BytesIO(script.encode()))
        self.s3.put_object(Bucket="jobs", Key="code/source.tar.gz", Body=packed.getvalue())
        return "s3://jobs/code/source.tar.gz"

    def request(self, name: str, script: str, **changes: object) -> dict:
        """Return a request like the product's own."""
        code = self.put_code(script)
        return {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "accuracy", "Regex": r"\[metric\].*?\baccuracy=([-+0-9.eEnaif]+);"},
                    {"Name": "epoch", "Regex": r"\[metric\].*?\bepoch=([-+0-9.eEnaif]+);"},
                    {"Name": "loss", "Regex": r"\[metric\].*?\bloss=([-+0-9.eEnaif]+);"},
                ],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://jobs/jobs"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
            "HyperParameters": {
                "sagemaker_program": json.dumps("train.py"),
                "sagemaker_submit_directory": json.dumps(code),
                "epochs": "3",
                "network": json.dumps("lenet"),
            },
            "Environment": {"FLAVOUR": "vanilla"},
            **changes,
        }

    def start(self, name: str, script: str, **changes: object) -> None:
        self.sagemaker.create_training_job(**self.request(name, script, **changes))

    def describe(self, name: str) -> dict:
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def wait_for_end(self, name: str) -> dict:
        return wait_until(
            lambda: (found := self.describe(name))["TrainingJobStatus"] not in ("InProgress", "Stopping") and found
        )

    def run(self, name: str, script: str, **changes: object) -> dict:
        self.start(name, script, **changes)
        return self.wait_for_end(name)

    def read_log(self, name: str) -> list[str]:
        streams = self.logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{name}/")["logStreams"]
        if not streams:
            return []
        stream = streams[0]["logStreamName"]
        events = self.logs.get_log_events(logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True)
        return [event["message"] for event in events["events"]]

    def wait_for_pid(self, name: str) -> int:
        """Wait until the script has said its process id."""

        def look() -> int | None:
            try:
                return next((int(line.split()[1]) for line in self.read_log(name) if line.startswith("pid ")), None)
            except ClientError:  # the group is made with the first line
                return None

        return wait_until(look)

    def read_archive(self, key: str) -> dict[str, bytes]:
        body = self.s3.get_object(Bucket="jobs", Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
            return {found.name: tar.extractfile(found).read() for found in tar if found.isreg()}

    def list_output(self, name: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket="jobs", Prefix=f"jobs/{name}/").get("Contents", [])
        return [entry["Key"].rpartition("/")[2] for entry in found]


def wait_until(look, limit_seconds: float = 60):
    """Poll until `look` answers something true."""
    deadline = time.monotonic() + limit_seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.02)
    return found


def phases(described: dict) -> list[str]:
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def channel(name: str, uri: str, kind: str = "S3Prefix") -> dict:
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}}


@pytest.fixture
def cloud(tmp_path):
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://localhost:{port}"
    host = Host(supervisor=Supervisor(), runtimes=Runtimes.load(), home=tmp_path, endpoint_url=url, region="us-east-1")
    engine = SageMakerEngine(RunSettings(stop_grace_seconds=GRACE_SECONDS, checkpoint_look_seconds=0.05))
    engine.install(host)
    yield Cloud(url, tmp_path)
    engine.close()
    host.supervisor.close()
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    server.stop()


def test_runs_the_script_and_leaves_model_output_metrics_and_log(cloud):
    for key in ("digits/0/a.png", "digits/1/b.png", "digits-old/c.png"):
        cloud.s3.put_object(Bucket="data", Key=key, Body=b"pixels")
    described = cloud.run("digits-train-1", TRAIN, InputDataConfig=[channel("train", "s3://data/digits/")])

    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert phases(described) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == "s3://jobs/jobs/digits-train-1/output/model.tar.gz"
    model = cloud.read_archive("jobs/digits-train-1/output/model.tar.gz")
    assert json.loads(model["model.json"]) == {"found": ["0/a.png", "1/b.png"]}
    assert cloud.read_archive("jobs/digits-train-1/output/output.tar.gz") == {"report.txt": b"fine"}
    metrics = {found["MetricName"]: found["Value"] for found in described["FinalMetricDataList"]}
    assert metrics == pytest.approx({"accuracy": 0.7, "epoch": 2})
    log = cloud.read_log("digits-train-1")
    assert "arguments ['--epochs', '3', '--network', 'lenet'] job digits-train-1 flavour vanilla" in log
    assert not list((cloud.home / "sagemaker").glob("*/*")), "the job's folder is removed"
