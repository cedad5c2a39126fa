"""Processing jobs really run: inputs from S3, a command on each host, outputs and an exit message."""

import json
from pathlib import Path

import pytest

IMAGE = "public.ecr.aws/docker/library/python:3.11"
ROLE = "arn:aws:iam::123456789012:role/processing"
SCRIPTS = Path(__file__).with_name("scripts")
WAIT = str(SCRIPTS / "process_wait.py")
GROUP = "/aws/sagemaker/ProcessingJobs"


def place(name, uri, path, **more):
    return {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", **more}}


def output(uri, mode="EndOfJob"):
    target = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": mode}
    return {"Outputs": [{"OutputName": "out", "S3Output": target}]}


def machines(count=1):
    return {"ClusterConfig": {"InstanceCount": count, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}}


@pytest.fixture
def processing(cloud, until):
    class Processing:
        def start(self, name, *command, **changes):
            request = {
                "ProcessingJobName": name,
                "ProcessingResources": machines(),
                "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": list(command)},
                "ProcessingOutputConfig": output(f"s3://jobs/processed/{name}"),
                "RoleArn": ROLE,
                **changes,
            }
            return cloud.sagemaker.create_processing_job(**request)["ProcessingJobArn"]

        def describe(self, name):
            return cloud.sagemaker.describe_processing_job(ProcessingJobName=name)

        def finish(self, name):
            until(lambda: self.describe(name)["ProcessingJobStatus"] not in ("InProgress", "Stopping"))
            return self.describe(name)

        def stop(self, name):
            cloud.sagemaker.stop_processing_job(ProcessingJobName=name)

        def outputs(self, name):
            found = cloud.s3.list_objects_v2(Bucket="jobs", Prefix=f"processed/{name}/").get("Contents", [])
            bodies = {key["Key"]: cloud.s3.get_object(Bucket="jobs", Key=key["Key"])["Body"].read() for key in found}
            return {key.removeprefix(f"processed/{name}/"): body.decode() for key, body in bodies.items()}

    return Processing()


@pytest.fixture
def rows(cloud):
    """Two files of rows, and the program that counts them."""
    for number in (1, 2):
        cloud.s3.put_object(Bucket="data", Key=f"rows/{number}.csv", Body=f"{number}a\n{number}b\n".encode())
    cloud.s3.put_object(Bucket="data", Key="code/count.py", Body=(SCRIPTS / "process_count.py").read_bytes())
    return [
        place("code", "s3://data/code/count.py", "/opt/ml/processing/input/code"),
        place("rows", "s3://data/rows/", "/opt/ml/processing/input/rows"),
    ]


def count(processing, name, inputs, **changes):
    command = ("python3", "/opt/ml/processing/input/code/count.py", "/opt/ml/processing/input/rows")
    environment = {"TARGET": "/opt/ml/processing/out", "FLAVOUR": "vanilla"}
    return processing.start(name, *command, ProcessingInputs=inputs, Environment=environment, **changes)


def test_runs_the_command_on_its_inputs_and_uploads_its_outputs(cloud, processing, rows):
    arn = count(processing, "counts", rows, Tags=[{"Key": "run", "Value": "1"}])
    described = processing.finish("counts")
    assert described["ProcessingJobStatus"] == "Completed", described.get("FailureReason")
    assert described["ExitMessage"] == "counted 4 rows"
    assert described["CreationTime"] <= described["ProcessingStartTime"] <= described["ProcessingEndTime"]
    assert described["ProcessingInputs"] == rows
    assert processing.outputs("counts") == {"deep/0.txt": "1a,1b,2a,2b"}
    assert cloud.read_log("counts", GROUP) == ["counted 4 for counts on 1 vanilla"]
    assert cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "run", "Value": "1"}]
    assert not list((cloud.home / "sagemaker").glob("*/counts-*")), "the job's folder is removed"


def test_several_hosts_share_a_sharded_input(processing, rows):
    rows[1]["S3Input"]["S3DataDistributionType"] = "ShardedByS3Key"
    count(processing, "shares", rows, ProcessingResources=machines(2))
    assert processing.finish("shares")["ProcessingJobStatus"] == "Completed"
    assert processing.outputs("shares") == {"deep/0.txt": "1a,1b", "deep/1.txt": "2a,2b"}


def test_a_command_that_fails_fails_the_job_and_uploads_nothing(processing):
    program = (
        "import os, sys; base = os.environ['SAGEMAKER_BASE_DIR'];"
        "open(base + '/processing/out/half', 'w').close();"
        "open(base + '/output/message', 'w').write('x' * 3000); sys.exit(7)"
    )
    processing.start("fails", "python", "-c", program)
    described = processing.finish("fails")
    assert described["ProcessingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: , exit code: 7"
    assert described["ExitMessage"] == "x" * 1024
    assert processing.outputs("fails") == {}


def test_a_stop_lets_the_command_finish_within_the_grace_period(cloud, processing):
    outputs = output("s3://jobs/processed/polite", "Continuous")
    processing.start("polite", "python", WAIT, "polite", ProcessingOutputConfig=outputs)
    cloud.wait_for_object("processed/polite/first")
    assert processing.describe("polite")["ProcessingJobStatus"] == "InProgress"
    processing.stop("polite")
    assert processing.describe("polite")["ProcessingJobStatus"] in ("Stopping", "Stopped")
    assert processing.finish("polite")["ProcessingJobStatus"] == "Stopped"
    assert processing.outputs("polite") == {"first": "early", "last": "in time"}
    name = {"ProcessingJobName": "polite"}
    assert cloud.refusal("stop_processing_job", **name)[0] == "ValidationException"
    cloud.sagemaker.delete_processing_job(**name)
    assert cloud.refusal("describe_processing_job", **name) == (
        "ValidationException",
        "Could not find requested job with name: polite",
    )


def test_a_command_that_ignores_the_stop_is_killed_and_one_over_its_time_too(cloud, processing, ends):
    processing.start("deaf", "python", WAIT, "deaf")
    processing.start("late", "python", WAIT, "deaf", StoppingCondition={"MaxRuntimeInSeconds": 1})
    pids = []
    for name in ("deaf", "late"):
        cloud.wait_for_prefix(name, "pid ", GROUP)
        pids += [int(line.split()[1]) for line in cloud.read_log(name, GROUP)]
    processing.stop("deaf")
    for name in ("deaf", "late"):
        assert processing.finish(name)["ProcessingJobStatus"] == "Stopped"
    for pid in pids:
        ends(pid)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"AppSpecification": {"ImageUri": "somewhere/other:1"}}, "ClientError: Cannot pull processing container."),
        ({"AppSpecification": {"ImageUri": IMAGE}}, "has no command of its own here"),
        (
            {"ProcessingInputs": [place("none", "s3://data/nowhere/", "/opt/ml/processing/none")]},
            'ClientError: Failed to download data. No S3 objects found under S3 URL "s3://data/nowhere/"',
        ),
        (
            {"ProcessingOutputConfig": output("s3://no-such-bucket/x")},
            "ClientError: Output upload failed:s3://no-such-bucket",
        ),
    ],
)
def test_says_why_a_job_failed(processing, changes, reason):
    name = f"why-{len(reason)}"
    processing.start(
        name, "python", "-c", "import os; open(os.environ['SAGEMAKER_BASE_DIR'] + '/processing/out/a', 'w')", **changes
    )
    described = processing.finish(name)
    assert described["ProcessingJobStatus"] == "Failed"
    assert reason in described["FailureReason"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ProcessingInputs": [place("a", "s3://data/rows/", "/etc")]}, "below /opt/ml/processing/"),
        ({"ProcessingInputs": [place("a", "s3://data/rows/", "/opt/ml/processing/../../etc")]}, "below /opt/ml/proc"),
        ({"ProcessingInputs": [place("a", "s3://d/", "/opt/ml/processing/a", S3InputMode="Pipe")]}, "Pipe mode"),
        ({"ProcessingInputs": [{"InputName": "a"}]}, "S3 alone"),
        ({"ProcessingInputs": [place("a", "s3://d/", "/opt/ml/processing/a")] * 2}, "must be unique"),
        ({"ProcessingResources": machines(99)}, "at most 20 instances"),
    ],
)
def test_refuses_what_sagemaker_refuses_or_localcloud_does_not_do(cloud, processing, changes, said):
    with pytest.raises(cloud.sagemaker.exceptions.ClientError) as caught:
        processing.start("refused", "true", **changes)
    assert said in caught.value.response["Error"]["Message"], json.dumps(caught.value.response, default=str)


def test_names_are_unique_and_jobs_are_listed(cloud, processing):
    for name in ("listed-a", "listed-b"):
        processing.start(name, "true")
    with pytest.raises(cloud.sagemaker.exceptions.ResourceInUse, match="already exists"):
        processing.start("listed-a", "true")
    for name in ("listed-a", "listed-b"):
        processing.finish(name)
    found = cloud.sagemaker.list_processing_jobs(NameContains="listed", StatusEquals="Completed", SortBy="Name")
    assert [job["ProcessingJobName"] for job in found["ProcessingJobSummaries"]] == ["listed-a", "listed-b"]
