"""Training jobs really run: AWS's toolkit as a process, through boto3, from the channels to the archives."""

import json
from itertools import pairwise

import pytest


def phases(described):
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def channel(uri, kind="S3Prefix"):
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}}


def test_runs_the_script_and_leaves_model_output_metrics_and_log(cloud):
    cloud.put_data("digits/0/a.png", "digits/1/b.png", "digits-old/c.png")
    described = cloud.run("digits-train-1", "train.py", InputDataConfig=[channel("s3://data/digits/")])

    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert phases(described) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert described["ModelArtifacts"]["S3ModelArtifacts"] == "s3://jobs/jobs/digits-train-1/output/model.tar.gz"
    model = cloud.read_archive("digits-train-1", "model.tar.gz")
    assert json.loads(model["model.json"]) == {"found": ["0/a.png", "1/b.png"]}
    assert cloud.read_archive("digits-train-1", "output.tar.gz") == {"report.txt": b"fine"}
    metrics = {found["MetricName"]: found["Value"] for found in described["FinalMetricDataList"]}
    assert metrics == pytest.approx({"accuracy": 0.7, "epoch": 2})
    log = cloud.read_log("digits-train-1")
    assert "arguments ['--epochs', '3', '--network', 'lenet'] job digits-train-1 flavour vanilla" in log
    assert not list((cloud.home / "sagemaker").glob("*/digits-train-1-*")), "the job's folder is removed"


def test_tells_the_times_of_a_job_without_a_gap(cloud):
    described = cloud.run("times", "train.py")
    transitions = described["SecondaryStatusTransitions"]
    for earlier, later in pairwise(transitions):
        assert earlier["StartTime"] <= earlier["EndTime"] == later["StartTime"]
    assert transitions[0]["StartTime"] >= described["CreationTime"]
    assert transitions[1]["StartTime"] == described["TrainingStartTime"]
    assert transitions[-1]["EndTime"] == described["TrainingEndTime"] == described["LastModifiedTime"]
    assert described["TrainingTimeInSeconds"] == described["BillableTimeInSeconds"] >= 1


def test_repeats_what_was_asked_for(cloud):
    limits = {"MaxRuntimeInSeconds": 120, "MaxWaitTimeInSeconds": 240}
    request = cloud.request("repeated", "train.py", EnableManagedSpotTraining=True, StoppingCondition=limits)
    cloud.sagemaker.create_training_job(**request)
    described = cloud.wait_for_end("repeated")
    assert {name: described[name] for name in request} == request


def test_lays_out_the_objects_that_a_manifest_names(cloud):
    cloud.put_data("frozen/a/1.png", "frozen/b/2.png", "frozen/b/3.png")
    cloud.put_manifest("manifests/v1.json", {"prefix": "s3://data/frozen/"}, "a/1.png", "b/3.png")
    source = channel("s3://data/manifests/v1.json", "ManifestFile")
    described = cloud.run("manifest", "train.py", InputDataConfig=[source])
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert 'found ["a/1.png", "b/3.png"]' in cloud.read_log("manifest")


def test_checkpoints_reach_s3_while_the_job_runs_and_the_next_job_finds_them(cloud):
    config = {"S3Uri": "s3://jobs/checkpoints/digits"}
    cloud.start("first-try", "checkpoint.py", CheckpointConfig=config)
    cloud.wait_for_object("checkpoints/digits/epoch-0")
    cloud.stop("first-try")
    cloud.wait_for_end("first-try")
    assert cloud.run("second-try", "checkpoint.py", CheckpointConfig=config)["TrainingJobStatus"] == "Completed"
    assert "resumed from ['epoch-0']" in cloud.read_log("second-try")
    assert cloud.s3.get_object(Bucket="jobs", Key="checkpoints/digits/epoch-1")["Body"].read() == b"1"


def test_two_jobs_run_at_the_same_time(cloud):
    for name in ("one", "other"):
        cloud.start(name, "wait.py")
    for name in ("one", "other"):
        cloud.wait_for_pids(name)
    assert {cloud.describe(name)["SecondaryStatus"] for name in ("one", "other")} == {"Training"}
    for name in ("one", "other"):
        cloud.stop(name)
    assert {cloud.wait_for_end(name)["TrainingJobStatus"] for name in ("one", "other")} == {"Stopped"}


def test_refuses_a_name_that_is_taken(cloud):
    request = cloud.request("twice", "train.py")
    arn = cloud.sagemaker.create_training_job(**request)["TrainingJobArn"]
    assert cloud.refusal("create_training_job", **request) == (
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name "
        f"already exists ({arn})",
    )
    cloud.wait_for_end("twice")
    assert cloud.refusal("create_training_job", **request)[0] == "ResourceInUse"


def test_refuses_a_name_that_sagemaker_would_not_take(cloud):
    code, message = cloud.refusal("create_training_job", **cloud.request("under_score", "train.py"))
    assert code == "ValidationException"
    assert "'under_score' at 'trainingJobName' failed to satisfy constraint" in message


def test_refuses_a_channel_without_data_when_the_job_is_created(cloud):
    request = cloud.request("empty", "train.py", InputDataConfig=[channel("s3://data/nothing/here")])
    code, message = cloud.refusal("create_training_job", **request)
    assert code == "ValidationException"
    assert message.startswith('No S3 objects found under S3 URL "s3://data/nothing/here" given in input data source.')
    assert cloud.refusal("describe_training_job", TrainingJobName="empty")[0] == "ValidationException"


def test_tags_lists_and_forgets_jobs(cloud):
    for number in range(3):
        cloud.start(f"listed-{number}", "train.py", Tags=[{"Key": "run", "Value": "a"}])
    for number in range(3):
        cloud.wait_for_end(f"listed-{number}")
    arn = cloud.describe("listed-0")["TrainingJobArn"]
    cloud.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "run", "Value": "b"}, {"Key": "owner", "Value": "me"}])
    tags = {tag["Key"]: tag["Value"] for tag in cloud.sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert tags == {"run": "b", "owner": "me"}
    pages = cloud.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="listed", SortBy="Name", SortOrder="Descending", PaginationConfig={"PageSize": 2}
    )
    names = [[found["TrainingJobName"] for found in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["listed-2", "listed-1"], ["listed-0"]]
    cloud.sagemaker.delete_training_job(TrainingJobName="listed-0")
    assert cloud.refusal("describe_training_job", TrainingJobName="listed-0") == (
        "ValidationException",
        "Requested resource not found.",
    )
