"""The SageMaker backend: what it asks for, how it finds its jobs again, what it makes of their ends."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace

import pytest
from fake_sagemaker import FakeAws, refuse
from hypothesis import given
from hypothesis import strategies as st

from ratchet.aws import Deployment
from ratchet.compute.order import Channel, JobOrder, JobState
from ratchet.compute.sagemaker import SageMakerBackend
from ratchet.contract import metric_line
from ratchet.errors import CapacityError, JobError, NotFoundError, NotPermittedError, SpecError
from ratchet.settings import Settings

DEPLOYMENT = Deployment(**{item.name: item.name.replace("_", "-") for item in fields(Deployment)})
ORDER = JobOrder(
    pipeline="digits",
    step="train",
    program="training/train.py",
    code_uri="s3://jobs/code/abc.tar.gz",
    instance_type="ml.p3.2xlarge",
    channels=(Channel("prepared", "s3://jobs/x"), Channel("dataset", "s3://data/m.json", manifest=True)),
    hyperparameters={"epochs": 3, "network": "lenet", "shuffle": True, "learning-rate": 0.002},
    metrics=("train_loss",),
    checkpoints=True,
    tags={"ratchet:run": "manual__2030-01-01T00:00:00+00:00", "ratchet:step": "träin|x"},
    attempts=3,
)


@pytest.fixture
def aws():
    return FakeAws()


@pytest.fixture
def backend(aws):
    return SageMakerBackend(aws, DEPLOYMENT, Settings(region="eu-west-1"))


def test_asks_for_script_mode_with_json_encoded_hyperparameters(aws, backend):
    backend.start(ORDER)
    (request,) = aws.sagemaker.requests
    sent = {key: json.loads(value) for key, value in request["HyperParameters"].items()}
    assert sent == {
        **ORDER.hyperparameters,
        "sagemaker_program": "training/train.py",
        "sagemaker_submit_directory": "s3://jobs/code/abc.tar.gz",
    }
    algorithm = request["AlgorithmSpecification"]
    assert algorithm["TrainingImage"].endswith("eu-west-1.amazonaws.com/mxnet-training:1.9.0-gpu-py38")
    (definition,) = algorithm["MetricDefinitions"]
    assert re.search(definition["Regex"], metric_line({"epoch": 1, "train_loss": 0.5})).group(1) == "0.5"
    assert [c["DataSource"]["S3DataSource"]["S3DataType"] for c in request["InputDataConfig"]] == [
        "S3Prefix",
        "ManifestFile",
    ]
    assert request["OutputDataConfig"]["S3OutputPath"] == "s3://jobs-bucket/jobs"


def test_epochs_of_one_order_share_their_checkpoints_and_other_orders_do_not(aws, backend):
    first = backend.start(ORDER).name
    aws.sagemaker.end(first, "Failed")
    backend.start(ORDER)
    backend.start(replace(ORDER, force_nonce="again"))
    uris = [request["CheckpointConfig"]["S3Uri"] for request in aws.sagemaker.requests]
    assert uris[0] == uris[1] != uris[2]


def test_spare_machines_are_asked_for_with_the_time_to_wait_for_them(aws, backend):
    backend.start(replace(ORDER, spot=True, max_runtime_seconds=600, spot_wait_seconds=60, checkpoints=True))
    (request,) = aws.sagemaker.requests
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 660}
    assert "CheckpointConfig" in request


def test_nothing_is_said_of_spare_machines_when_none_are_asked_for(aws, backend):
    backend.start(ORDER)
    assert "EnableManagedSpotTraining" not in aws.sagemaker.requests[0]
    assert set(aws.sagemaker.requests[0]["StoppingCondition"]) == {"MaxRuntimeInSeconds"}


def test_a_spare_machine_that_did_not_come_in_time_is_a_lack_of_machines(aws, backend):
    name = backend.start(replace(ORDER, spot=True)).name
    aws.sagemaker.end(name, "Stopped")
    assert not backend.poll(name).no_capacity
    aws.sagemaker.jobs[name]["SecondaryStatus"] = "MaxWaitTimeExceeded"
    assert backend.poll(name).no_capacity


@pytest.mark.parametrize("code", ["ThrottlingException", "ResourceLimitExceeded"])
def test_a_job_whose_making_was_refused_is_looked_for_once_more(aws, backend, code):
    """botocore sends a request again whose answer was lost, and the second one may be refused."""
    create = aws.sagemaker.create_training_job

    def make_and_refuse(**request):
        create(**request)
        raise refuse(code)

    aws.sagemaker.create_training_job = make_and_refuse
    assert backend.start(ORDER).state is JobState.RUNNING


def test_tags_hold_only_letters_that_aws_allows(aws, backend):
    backend.start(ORDER)
    for tag in aws.sagemaker.requests[0]["Tags"]:
        assert re.fullmatch(r"[\w .:/=+\-@]*", tag["Value"])


def test_the_same_order_finds_its_job_again(aws, backend):
    first = backend.start(ORDER)
    aws.sagemaker.end(first.name, "Completed")
    again = backend.start(replace(ORDER, tags={"ratchet:run": "another"}))
    assert (again.name, again.state) == (first.name, JobState.SUCCEEDED)
    assert len(aws.sagemaker.requests) == 1


def test_a_job_that_somebody_else_started_in_between_is_ours(aws, backend):
    def overtaken():
        aws.sagemaker.before_create = lambda: None
        backend.start(ORDER)

    aws.sagemaker.before_create = overtaken
    assert backend.start(ORDER).state is JobState.RUNNING
    assert len(aws.sagemaker.requests) == 1


@pytest.mark.parametrize("end", ["Failed", "Stopped"])
def test_the_next_epoch_follows_a_job_that_ended_badly(aws, backend, end):
    first = backend.start(ORDER).name
    aws.sagemaker.end(first, end)
    second = backend.start(ORDER).name
    assert (first[-3:], second[-3:]) == ("-e0", "-e1")
    assert backend.start(ORDER).name == second


def test_attempts_end_with_the_reason_and_the_last_lines(aws, backend):
    for _ in range(ORDER.attempts):
        name = backend.start(ORDER).name
        aws.sagemaker.end(name, "Failed", FailureReason="AlgorithmError: ExecuteUserScriptError")
    aws.logs.streams[f"{name}/algo-1-1"] = [f"line {number}" for number in range(30)]
    with pytest.raises(JobError, match="AlgorithmError") as caught:
        backend.start(ORDER)
    assert "line 29" in str(caught.value)
    assert "line 10\n" not in str(caught.value)
    assert len(aws.sagemaker.requests) == ORDER.attempts


def test_no_machine_is_nobodys_code(aws, backend):
    aws.sagemaker.before_create = lambda: (_ for _ in ()).throw(refuse("ResourceLimitExceeded"))
    with pytest.raises(CapacityError):
        backend.start(ORDER)
    aws.sagemaker.before_create = lambda: None
    order = replace(ORDER, attempts=1)
    reason = "CapacityError: Unable to provision requested ML compute capacity."
    aws.sagemaker.end(backend.start(order).name, "Failed", FailureReason=reason)
    with pytest.raises(CapacityError, match="instance_type"):
        backend.start(order)


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", NotPermittedError), ("ValidationException", SpecError)]
)
def test_a_refused_request_says_who_acts(aws, backend, code, error):
    message = "1 validation error detected: Value null at 'x' failed: Member must not be null"
    aws.sagemaker.before_create = lambda: (_ for _ in ()).throw(refuse(code, message))
    with pytest.raises(error):
        backend.start(ORDER)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("InProgress", JobState.RUNNING),
        ("Stopping", JobState.STOPPING),
        ("Completed", JobState.SUCCEEDED),
        ("Failed", JobState.FAILED),
        ("Stopped", JobState.STOPPED),
    ],
)
def test_states_are_translated(aws, backend, said, state):
    name = backend.start(ORDER).name
    aws.sagemaker.end(name, said)
    assert backend.poll(name).state is state


def test_a_finished_job_tells_artefact_metrics_and_what_is_paid(aws, backend):
    name = backend.start(ORDER).name
    aws.sagemaker.end(
        name,
        "Completed",
        ModelArtifacts={"S3ModelArtifacts": "s3://jobs/model.tar.gz"},
        FinalMetricDataList=[{"MetricName": "train_loss", "Value": 0.25}],
        BillableTimeInSeconds=61,
    )
    status = backend.poll(name)
    assert (status.archive_uri, status.metrics, status.billable_seconds) == (
        "s3://jobs/model.tar.gz",
        {"train_loss": 0.25},
        61,
    )


def test_looking_at_no_job_is_an_error_and_stopping_none_is_not(backend):
    with pytest.raises(NotFoundError, match="eu-west-1"):
        backend.poll("digits-train-none-e0")
    backend.stop("digits-train-none-e0")


def test_stopping_twice_or_too_late_is_no_error(aws, backend):
    name = backend.start(ORDER).name
    backend.stop(name)
    backend.stop(name)
    assert backend.poll(name).state is JobState.STOPPING
    aws.sagemaker.end(name, "Stopped")
    backend.stop(name)


def test_a_job_that_ends_while_it_is_being_stopped_is_no_error(aws, backend):
    name = backend.start(ORDER).name
    stop = aws.sagemaker.stop_training_job

    def too_late(**request):
        aws.sagemaker.end(name, "Completed")
        stop(**request)

    aws.sagemaker.stop_training_job = too_late
    backend.stop(name)


def test_there_is_no_log_before_there_is_a_group_or_a_stream(aws, backend):
    assert backend.read_log("job").lines == ()
    aws.logs.streams["other/algo-1"] = ["not ours"]
    assert backend.read_log("job", backend.read_log("job").cursor).lines == ()


def test_lines_of_several_instances_say_whose_they_are(aws, backend):
    aws.logs.streams |= {"job/algo-1": ["a"], "job/algo-2": ["b"], "job-longer/algo-1": ["c"]}
    assert backend.read_log("job").lines == ("[algo-1] a", "[algo-2] b")


@given(st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=7), max_size=6), st.integers(0, 2))
def test_reading_on_at_the_cursor_gives_every_line_once(batches, hollow_pages):
    aws = FakeAws()
    aws.logs.hollow_pages = hollow_pages
    backend = SageMakerBackend(aws, DEPLOYMENT, Settings())
    lines, cursor = [], ""
    for batch in batches:
        aws.logs.streams.setdefault("job/algo-1", []).extend(batch)
        page = backend.read_log("job", cursor)
        lines += page.lines
        cursor = page.cursor
    assert lines == [line.rstrip("\n") for batch in batches for line in batch]


def test_the_link_leads_to_the_jobs_page(backend):
    assert backend.describe_link("digits-train-x-e0").endswith(
        "sagemaker/home?region=eu-west-1#/jobs/digits-train-x-e0"
    )
