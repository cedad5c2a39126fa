"""How training jobs end other than well, and that no process outlives its job."""

import os
import signal

import pytest

from ratchet.aws.signed import send_signed


def phases(described):
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def test_a_script_that_raises_fails_the_job_and_leaves_its_failure(cloud):
    described = cloud.run("raises", "fail.py")
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n")
    assert described["FailureReason"].endswith(", exit code: 1")
    assert cloud.list_output("raises") == ["output.tar.gz"], "half a model is no model"
    assert b"ExitCode 1" in cloud.read_archive("raises", "output.tar.gz")["failure"]
    assert "ValueError: the data makes no sense" in cloud.read_log("raises")
    assert "S3ModelArtifacts" not in described["ModelArtifacts"]


@pytest.mark.parametrize(
    ("whose", "reason"), [("script", "ExitCode -9"), ("train", "AlgorithmError: , exit code: 137")]
)
def test_a_process_that_is_killed_fails_the_job(cloud, ends, whose, reason):
    cloud.start(f"killed-{whose}", "wait.py")
    script, train = cloud.wait_for_pids(f"killed-{whose}")
    os.kill(script if whose == "script" else train, signal.SIGKILL)
    described = cloud.wait_for_end(f"killed-{whose}")
    assert described["TrainingJobStatus"] == "Failed"
    assert reason in described["FailureReason"]
    ends(script)


def test_an_image_that_nothing_stands_in_for_fails_the_job(cloud):
    algorithm = {"TrainingImage": "somewhere.example/other:1", "TrainingInputMode": "File"}
    described = cloud.run("unknown-image", "train.py", AlgorithmSpecification=algorithm)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Cannot pull algorithm container. Either the image")
    assert "runtimes.toml" in described["FailureReason"]


def test_a_manifest_that_names_a_missing_object_fails_the_job(cloud):
    cloud.put_manifest("manifests/v2.json", {"prefix": "s3://data/frozen/"}, "never/was.png")
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://data/manifests/v2.json"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
    described = cloud.run("gap", "train.py", InputDataConfig=[channel])
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"] == "ClientError: Data download failed:s3://data/frozen/never/was.png"
    assert phases(described) == ["Starting", "Downloading", "Failed"]


def test_an_output_bucket_that_does_not_exist_fails_the_job(cloud):
    described = cloud.run("no-bucket", "train.py", OutputDataConfig={"S3OutputPath": "s3://nowhere/jobs"})
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("ClientError: Artifact upload failed:s3://nowhere")


def test_a_stop_lets_the_script_save_its_model(cloud, ends):
    cloud.start("stopped", "wait.py")
    script, _ = cloud.wait_for_pids("stopped")
    running = cloud.describe("stopped")
    assert (running["TrainingJobStatus"], running["SecondaryStatus"]) == ("InProgress", "Training")
    assert {found["MetricName"]: found["Value"] for found in running["FinalMetricDataList"]}["accuracy"] == 0.25
    cloud.stop("stopped")
    assert cloud.describe("stopped")["TrainingJobStatus"] in ("Stopping", "Stopped")
    described = cloud.wait_for_end("stopped")
    assert described["TrainingJobStatus"] == described["SecondaryStatus"] == "Stopped"
    assert phases(described) == ["Starting", "Downloading", "Training", "Stopping", "Uploading", "Stopped"]
    assert cloud.read_archive("stopped", "model.tar.gz") == {"saved": b"in time"}
    ends(script)
    assert cloud.refusal("stop_training_job", TrainingJobName="stopped") == (
        "ValidationException",
        "The request was rejected because the training job is in status Stopped.",
    )


def test_a_script_that_ignores_the_stop_is_killed_after_the_grace_period(cloud, ends):
    cloud.start("stubborn", "stubborn.py")
    script = cloud.wait_for_pids("stubborn")[0]
    cloud.stop("stubborn")
    cloud.stop("stubborn")
    assert cloud.wait_for_end("stubborn")["TrainingJobStatus"] == "Stopped"
    ends(script)
    assert cloud.list_output("stubborn") == []


def test_a_job_over_its_time_is_stopped(cloud):
    described = cloud.run("late", "wait.py", StoppingCondition={"MaxRuntimeInSeconds": 3})
    assert (described["TrainingJobStatus"], described["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert phases(described)[-3:] == ["Stopping", "Uploading", "MaxRuntimeExceeded"]
    assert "FailureReason" not in described


def test_a_job_that_finds_no_machine_is_taken_and_fails(cloud):
    key, url = ("test", "test"), f"{cloud.url}/_localcloud/faults"
    fault = {"effect": "capacity", "service": "sagemaker", "operation": "CreateTrainingJob", "count": 1}
    assert send_signed("POST", url, fault, region="us-east-1", key=key)[0] == 201
    failed = cloud.run("no-machine", "who.py", **cloud.plain("who.py"))
    assert failed["TrainingJobStatus"] == "Failed"
    assert failed["FailureReason"].startswith("CapacityError: ")
    (entry,) = send_signed("GET", url, region="us-east-1", key=key)[1]["faults"]
    assert entry["hit"] == {"sagemaker:CreateTrainingJob": 1}
    send_signed("DELETE", url, region="us-east-1", key=key)


def test_nothing_outlives_a_localcloud_that_is_killed(own_process, ends):
    with own_process() as (cloud, process):
        cloud.start("left-behind", "stubborn.py")
        script = cloud.wait_for_pids("left-behind")[0]
        process.kill()
        ends(script)
    assert list((cloud.home / "sagemaker").glob("*/left-behind-*"))
    with own_process() as (cloud, _):
        assert not list((cloud.home / "sagemaker").glob("*/*"))
