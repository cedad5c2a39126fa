"""Transform jobs really run: the model is served, asked record by record, and its answers lie beside the inputs."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from localcloud.runtime import ROOT

IMAGE = "public.ecr.aws/docker/library/python:3.11"
MXNET_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-inference:1.9.0-cpu-py38"
ROLE = "arn:aws:iam::123456789012:role/serving"
GROUP = "/aws/sagemaker/TransformJobs"
CONTAINER = Path(__file__).with_name("container")
SEE_LOGS = "See job logs for more information"


class Transform:
    """Transform jobs of one cloud."""

    def __init__(self, cloud, until):
        self.cloud, self.until = cloud, until

    def put(self, name, **objects):
        for key, body in objects.items():
            self.cloud.s3.put_object(Bucket="data", Key=f"{name}/{key}", Body=body)

    def start(self, name, *, mode="well", model=None, given=None, **changes):
        container = {"Image": IMAGE, "Environment": {"PATH": f"{CONTAINER}:{os.defpath}", "MODE": mode}}
        self.cloud.sagemaker.create_model(ModelName=name, PrimaryContainer=model or container, ExecutionRoleArn=ROLE)
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{name}/"}}
        request = {
            "TransformJobName": name,
            "ModelName": name,
            "TransformInput": {"DataSource": source, **(given or {})},
            "TransformOutput": {"S3OutputPath": f"s3://jobs/transformed/{name}"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **changes,
        }
        return self.cloud.sagemaker.create_transform_job(**request)["TransformJobArn"]

    def describe(self, name):
        return self.cloud.sagemaker.describe_transform_job(TransformJobName=name)

    def finish(self, name):
        self.until(lambda: self.describe(name)["TransformJobStatus"] not in ("InProgress", "Stopping"))
        return self.describe(name)

    def run(self, name, **options):
        self.start(name, **options)
        return self.finish(name)

    def outputs(self, name):
        found = self.cloud.s3.list_objects_v2(Bucket="jobs", Prefix=f"transformed/{name}/").get("Contents", [])
        bodies = {key["Key"]: self.cloud.s3.get_object(Bucket="jobs", Key=key["Key"])["Body"].read() for key in found}
        return {key.removeprefix(f"transformed/{name}/"): body for key, body in bodies.items()}

    def log(self, name):
        return self.cloud.read_log(name, GROUP)


@pytest.fixture
def transform(cloud, until):
    return Transform(cloud, until)


def lines(**more):
    return {"SplitType": "Line", "ContentType": "text/csv", **more}


def test_each_object_becomes_an_output_of_its_name(cloud, transform, ends):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo("suffix")
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"!"))
    cloud.s3.put_object(Bucket="jobs", Key="models/suffix.tar.gz", Body=packed.getvalue())
    model = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://jobs/models/suffix.tar.gz",
        "Environment": {"PATH": f"{CONTAINER}:{os.defpath}"},
    }
    transform.put("whole", **{"a.txt": b"one\ntwo\n", "deep/b.txt": b"three"})
    described = transform.run("whole", model=model)
    assert described["TransformJobStatus"] == "Completed", (described.get("FailureReason"), transform.log("whole"))
    assert described["CreationTime"] <= described["TransformStartTime"] <= described["TransformEndTime"]
    assert transform.outputs("whole") == {"a.txt.out": b"ONE\nTWO\n!", "deep/b.txt.out": b"THREE!"}
    log = transform.log("whole")
    assert "batch true MULTI_RECORD" in log
    assert any(line.endswith("MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD") for line in log)
    ends(int(next(line for line in log if line.startswith("pid ")).split()[1]))
    assert not list((cloud.home / "sagemaker").glob("*/whole-*")), "the job's folder is removed"


def test_lines_go_one_by_one_or_as_many_as_fit(transform):
    output = {"Accept": "text/csv", "AssembleWith": "Line"}
    for name, strategy, sizes in (("singly", "SingleRecord", [2, 3]), ("together", "MultiRecord", [5])):
        transform.put(name, rows=b"a\nbb\n")
        target = {"S3OutputPath": f"s3://jobs/transformed/{name}", **output}
        transform.run(name, given=lines(), BatchStrategy=strategy, TransformOutput=target)
        assert transform.outputs(name) == {"rows.out": b"A\nBB\n"}
        got = [line for line in transform.log(name) if line.startswith("got")]
        assert got == [f"got {size} text/csv text/csv" for size in sizes]


def test_as_many_records_are_asked_at_once_as_may(transform):
    transform.put("meeting", rows=b"meet 1\nmeet 2\n")
    described = transform.run("meeting", given=lines(), BatchStrategy="SingleRecord", MaxConcurrentTransforms=2)
    assert described["TransformJobStatus"] == "Completed", transform.log("meeting")
    assert transform.outputs("meeting") == {"rows.out": b"MEET 1\nMEET 2\n"}, "the order is the input's"


def test_compressed_objects_are_sent_unpacked_and_failures_are_tried_again(transform):
    transform.put("packed", **{"a.gz": gzip.compress(b"once")})
    assert transform.run("packed", given={"CompressionType": "Gzip"})["TransformJobStatus"] == "Completed"
    assert transform.outputs("packed") == {"a.gz.out": b"ONCE"}


@pytest.mark.parametrize(
    ("name", "body", "reason", "said"),
    [
        ("refused", b"good\nbad\n", "ClientError", "data/refused/2: Message:"),
        ("broken", b"boom", "AlgorithmError", "data/broken/2: it broke"),
        ("too-large", b"x" * (1024 * 1024 + 1), "ClientError", "data/too-large/2: ClientError: Maximum payload size"),
    ],
)
def test_an_object_that_fails_has_no_output_and_the_others_have(transform, name, body, reason, said):
    transform.put(name, **{"1": b"first", "2": body, "3": b"third"})
    client = {"InvocationsMaxRetries": 1}
    described = transform.run(name, given=lines(), MaxPayloadInMB=1, ModelClientConfig=client)
    assert (described["TransformJobStatus"], described["FailureReason"]) == ("Failed", f"{reason}: {SEE_LOGS}")
    assert transform.outputs(name) == {"1.out": b"FIRST", "3.out": b"THIRD"}
    assert any(said in line for line in transform.log(name)), transform.log(name)


def test_an_invocation_that_takes_too_long_fails(transform):
    transform.put("sluggish", a=b"slow")
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    described = transform.run("sluggish", ModelClientConfig=client)
    assert described["FailureReason"] == f"AlgorithmError: {SEE_LOGS}"
    assert any("did not answer: timed out" in line for line in transform.log("sluggish"))


@pytest.mark.parametrize(("name", "mode", "body"), [("dies", "dies", b"a"), ("exits", "well", b"exit")])
def test_a_model_server_that_ends_fails_the_job(transform, name, mode, body):
    transform.put(name, a=body)
    described = transform.run(name, mode=mode)
    assert (described["TransformJobStatus"], described["FailureReason"]) == ("Failed", f"AlgorithmError: {SEE_LOGS}")


def test_a_stop_ends_the_model_server(cloud, transform, ends):
    transform.put("halted", **{"1": b"first", "2": b"slow"})
    transform.start("halted")
    cloud.wait_for_object("transformed/halted/1.out")
    cloud.sagemaker.stop_transform_job(TransformJobName="halted")
    assert transform.describe("halted")["TransformJobStatus"] in ("Stopping", "Stopped")
    assert transform.finish("halted")["TransformJobStatus"] == "Stopped"
    assert transform.outputs("halted") == {"1.out": b"FIRST"}
    ends(int(next(line for line in transform.log("halted") if line.startswith("pid ")).split()[1]))
    assert cloud.refusal("stop_transform_job", TransformJobName="halted")[0] == "ValidationException"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": {"Image": "somewhere/other:1"}}, "ClientError: Cannot pull the model's container."),
        ({"model": {"Image": IMAGE}}, "there is no `serve` on its PATH"),
        (
            {"model": {"Image": IMAGE, "ModelDataUrl": "s3://jobs/no/model.tar.gz"}},
            "ClientError: Failed to download model data (s3://jobs/no/model.tar.gz)",
        ),
        ({}, "ClientError: No S3 objects found under S3 URL"),
    ],
)
def test_says_why_a_job_failed(transform, changes, reason):
    described = transform.run(f"why-{len(reason)}", **changes)
    assert described["TransformJobStatus"] == "Failed"
    assert reason in described["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"given": {"SplitType": "RecordIO"}}, "not by RecordIO"),
        ({"MaxPayloadInMB": 60, "MaxConcurrentTransforms": 2}, "must not be greater than 100 MB"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "does not offer DataProcessing"),
        ({"ModelName": "no-such-model"}, "Could not find model"),
    ],
)
def test_refuses_what_sagemaker_refuses_or_localcloud_does_not_do(cloud, transform, changes, said):
    with pytest.raises(cloud.sagemaker.exceptions.ClientError) as caught:
        transform.start(f"refusal-{len(said)}", **changes)
    assert said in caught.value.response["Error"]["Message"], json.dumps(caught.value.response, default=str)


def test_names_are_unique_and_jobs_are_listed(cloud, transform):
    transform.put("listed", a=b"a")
    arn = transform.start("listed", Tags=[{"Key": "run", "Value": "1"}])
    request = transform.describe("listed")
    again = {
        key: request[key] for key in ("TransformJobName", "TransformInput", "TransformOutput", "TransformResources")
    }
    assert cloud.refusal("create_transform_job", ModelName="listed", **again)[0] == "ResourceInUse"
    transform.finish("listed")
    found = cloud.sagemaker.list_transform_jobs(NameContains="listed")["TransformJobSummaries"]
    assert [(job["TransformJobName"], job["TransformJobStatus"]) for job in found] == [("listed", "Completed")]
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "1"}]


def test_the_products_own_server_classifies_pictures(cloud, transform, tmp_path):
    builder = ROOT / "tests" / "functional" / "inference" / "build_model.py"
    command = [str(ROOT / ".venv-mxnet" / "bin" / "python"), str(builder), str(tmp_path / "model"), "1"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    archive = (tmp_path / "model.tar.gz").read_bytes()
    cloud.s3.put_object(Bucket="jobs", Key="models/digits.tar.gz", Body=archive)
    model = {
        "Image": MXNET_IMAGE,
        "ModelDataUrl": "s3://jobs/models/digits.tar.gz",
        "Environment": {
            "RATCHET_MODEL_URI": "s3://jobs/models/digits.tar.gz",
            "RATCHET_MODEL_SHA256": hashlib.sha256(archive).hexdigest(),
            "RATCHET_MODEL_NAME": "digits",
            "RATCHET_MODEL_VERSION": "7",
        },
    }
    transform.put("pictures", **{f"{number}.png": _picture(number) for number in range(3)})
    described = transform.run("pictures", model=model, given={"ContentType": "image/png"}, MaxConcurrentTransforms=2)
    assert described["TransformJobStatus"] == "Completed", transform.log("pictures")
    outputs = transform.outputs("pictures")
    assert sorted(outputs) == ["0.png.out", "1.png.out", "2.png.out"]
    assert all(json.loads(answer)["model"]["version"] == "7" for answer in outputs.values()), outputs


def _picture(seed):
    from PIL import Image

    drawn = io.BytesIO()
    Image.new("L", (28, 28), 40 * seed).save(drawn, "PNG")
    return drawn.getvalue()
