"""Managed Spot training: a notice interrupts the job, and it goes on from its checkpoint when there is capacity."""

import pytest

SPOT = {
    "EnableManagedSpotTraining": True,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
}


def phases(described):
    return [transition["Status"] for transition in described["SecondaryStatusTransitions"]]


def test_a_notice_interrupts_the_job_and_it_resumes_from_its_checkpoint(cloud, until):
    config = {"S3Uri": "s3://jobs/checkpoints/spot"}
    cloud.start("spot", "spot.py", **cloud.plain("spot.py", CheckpointConfig=config, **SPOT))
    cloud.wait_for_line("spot", "[metric] epoch=1;")
    assert cloud.notify(TrainingJobName="spot", WaitSeconds=1)[0] == 202
    until(lambda: cloud.describe("spot")["SecondaryStatus"] == "Interrupted")
    assert cloud.describe("spot")["TrainingJobStatus"] == "InProgress"
    described = cloud.wait_for_end("spot")
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    attempt = ["Starting", "Downloading", "Training"]
    assert phases(described) == [*attempt, "Interrupted", *attempt, "Uploading", "Completed"]
    log = cloud.read_log("spot")
    assert [line for line in log if "metric" in line] == [f"[metric] epoch={epoch};" for epoch in range(4)]
    assert log.index("told to leave") < log.index("resumed at 2")
    assert cloud.read_archive("spot", "model.tar.gz") == {"epochs": b"4"}
    assert described["BillableTimeInSeconds"] < described["TrainingTimeInSeconds"]


def test_a_job_that_waits_for_capacity_longer_than_it_may_is_stopped(cloud, ends):
    limits = {"MaxRuntimeInSeconds": 4, "MaxWaitTimeInSeconds": 4}
    cloud.start("starved", "stubborn.py", **cloud.plain("stubborn.py", **{**SPOT, "StoppingCondition": limits}))
    script = cloud.wait_for_pids("starved")[0]
    assert cloud.notify(TrainingJobName="starved", WaitSeconds=600)[0] == 202
    described = cloud.wait_for_end("starved")
    assert phases(described)[-2:] == ["Interrupted", "MaxWaitTimeExceeded"]
    assert described["TrainingJobStatus"] == "Stopped"
    ends(script)


def test_a_job_that_waits_for_capacity_can_be_stopped(cloud, until):
    cloud.start("given-up", "wait.py", **cloud.plain("stubborn.py", **SPOT))
    cloud.wait_for_pids("given-up")
    cloud.notify(TrainingJobName="given-up", WaitSeconds=600)
    until(lambda: cloud.describe("given-up")["SecondaryStatus"] == "Interrupted")
    cloud.stop("given-up")
    assert phases(cloud.wait_for_end("given-up"))[-3:] == ["Interrupted", "Stopping", "Stopped"]


def test_a_job_on_demand_gets_no_notice(cloud):
    cloud.start("on-demand", "stubborn.py", **cloud.plain("stubborn.py"))
    cloud.wait_for_pids("on-demand")
    status, said = cloud.notify(TrainingJobName="on-demand")
    assert (status, "EnableManagedSpotTraining" in said) == (400, True)
    cloud.stop("on-demand")
    described = cloud.wait_for_end("on-demand")
    assert described["BillableTimeInSeconds"] == described["TrainingTimeInSeconds"]


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        ({"TrainingJobName": "nobody"}, "there is no training job nobody"),
        ({"TrainingJobName": ["a"]}, "there is no training job"),
        ({"TrainingJobName": "a", "WaitSeconds": "soon"}, "WaitSeconds"),
        ({}, "a notice names exactly one of: TrainingJobName"),
    ],
)
def test_a_notice_that_reaches_nobody_is_refused(cloud, notice, said):
    status, message = cloud.notify(**notice)
    assert (status, said in message) == (400, True), message


def test_a_spot_job_needs_a_time_to_wait(cloud):
    request = cloud.request("no-wait", "train.py", EnableManagedSpotTraining=True)
    assert "MaxWaitTimeInSeconds" in cloud.refusal("create_training_job", **request)[1]
