"""What every compute backend keeps, found by its file: one suite for all, with real jobs on localcloud."""

from __future__ import annotations

import hashlib
import importlib
import io
import tarfile
import time
from dataclasses import replace
from typing import Any, cast

import pytest

from ratchet.compute.backends import backend_names, make_backend
from ratchet.compute.bundle import Bundle, upload_bundle
from ratchet.compute.order import Backend, Channel, JobOrder, JobState, JobStatus
from ratchet.contract import metric_line
from ratchet.errors import JobError, NotFoundError, SpecError
from ratchet.settings import Settings
from tests.functional.rollout.rollout_stack import Door, Stack

LIMIT_SECONDS = 120.0
SCRIPT = f"""
import argparse, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--behave")
parser.add_argument("--epochs", type=int)
options, _ = parser.parse_known_args()
for epoch in range(options.epochs):
    print({metric_line({"train_loss": 0.25})!r}, flush=True)
print("the channel holds", *sorted(os.listdir(os.environ["SM_CHANNEL_DATA"])), flush=True)
if options.behave == "fail":
    sys.exit("no gradient to descend")
while options.behave == "run on":
    time.sleep(0.1)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as stream:
    stream.write("learned")
"""
SETTINGS = Settings(region="us-east-1")


class Shop:
    """A backend, orders for it, and their ends."""

    def __init__(self, name: str, stack: Stack) -> None:
        self.door = Door(stack.url)
        self.deployment = stack.deployment
        aws = cast(Any, self.door)
        self.backend: Backend = make_backend(name, aws, stack.deployment, SETTINGS)
        self.code_uri = upload_bundle(aws, stack.deployment.jobs_bucket, bundle_script())
        stack.aws.client("s3").put_object(Bucket=stack.deployment.data_bucket, Key="shop/a.txt", Body=b"pixels")
        self.door.actions.clear()

    def order(self, behave: str, nonce: str, **changes: Any) -> JobOrder:
        order = JobOrder(
            pipeline="shop",
            step="train",
            program="training/train.py",
            code_uri=self.code_uri,
            instance_type="ml.m5.large",
            channels=(Channel("data", f"s3://{self.deployment.data_bucket}/shop/"),),
            hyperparameters={"behave": behave, "epochs": 2},
            max_runtime_seconds=300,
            metrics=("train_loss",),
            tags={"ratchet:pipeline": "shop"},
            force_nonce=nonce,
        )
        return replace(order, **changes)

    def wait(self, name: str, *states: JobState) -> JobStatus:
        deadline = time.monotonic() + LIMIT_SECONDS
        while (status := self.backend.poll(name)).state not in (states or (JobState.SUCCEEDED,)):
            assert not status.state.ended, status
            assert time.monotonic() < deadline, status
            time.sleep(0.2)
        return status

    def wait_for_line(self, name: str, text: str) -> None:
        deadline, cursor = time.monotonic() + LIMIT_SECONDS, ""
        while True:
            page = self.backend.read_log(name, cursor)
            if any(text in line for line in page.lines):
                return
            cursor = page.cursor
            assert time.monotonic() < deadline, f"no line with {text!r}"
            time.sleep(0.2)


def bundle_script() -> Bundle:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo("training/train.py")
        entry.size = len(SCRIPT.encode())
        tar.addfile(entry, io.BytesIO(SCRIPT.encode()))
    content = buffer.getvalue()
    return Bundle(hashlib.sha256(content).hexdigest(), content, "unknown")


@pytest.fixture(scope="module", params=backend_names())
def shop(request: pytest.FixtureRequest, stack: Stack) -> Shop:
    return Shop(request.param, stack)


def test_a_job_trains_once_however_often_it_is_ordered(shop):
    order = shop.order("train", "once")
    first = shop.backend.start(order)
    assert first.state in (JobState.RUNNING, JobState.SUCCEEDED)
    assert shop.backend.start(order).name == first.name
    ended = shop.wait(first.name)
    assert shop.backend.start(order).created_at == ended.created_at
    assert shop.backend.start(order).state is JobState.SUCCEEDED


def test_a_job_that_ended_tells_its_artefact_metrics_and_times(shop):
    name = shop.backend.start(shop.order("train", "tell")).name
    ended = shop.wait(name)
    assert ended.archive_uri == f"s3://{shop.deployment.jobs_bucket}/jobs/{name}/output/model.tar.gz"
    assert ended.metrics == {"train_loss": 0.25}
    assert ended.created_at <= ended.ended_at
    assert ended.billable_seconds >= 0
    bucket, _, key = ended.archive_uri.removeprefix("s3://").partition("/")
    assert shop.door.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_another_nonce_is_another_job(shop):
    assert (
        shop.backend.start(shop.order("train", "one")).name != shop.backend.start(shop.order("train", "another")).name
    )


def test_the_log_is_read_on_from_the_cursor(shop):
    name = shop.backend.start(shop.order("train", "log")).name
    lines, cursor = [], ""
    while not shop.backend.poll(name).state.ended:
        page = shop.backend.read_log(name, cursor)
        lines, cursor = [*lines, *page.lines], page.cursor
        time.sleep(0.2)
    page = shop.backend.read_log(name, cursor)
    lines += page.lines
    assert [line for line in lines if "train_loss" in line] == [metric_line({"train_loss": 0.25})] * 2
    assert "the channel holds a.txt" in lines
    assert list(shop.backend.read_log(name).lines) == lines
    assert shop.backend.read_log(name, page.cursor).lines == ()


def test_a_failed_job_is_bought_again_until_the_attempts_are_used_up(shop):
    order = shop.order("fail", "attempts", attempts=2)
    names = []
    for _ in range(2):
        names.append(shop.backend.start(order).name)
        status = shop.wait(names[-1], JobState.FAILED)
        assert status.message
    assert len(set(names)) == 2
    with pytest.raises(JobError, match="no gradient to descend"):
        shop.backend.start(order)


def test_a_stopped_job_ends_and_the_next_order_is_a_new_one(shop):
    order = shop.order("run on", "stop")
    name = shop.backend.start(order).name
    shop.wait_for_line(name, "the channel holds")
    shop.backend.stop(name)
    shop.backend.stop(name)
    shop.wait(name, JobState.STOPPED)
    shop.backend.stop(name)
    again = shop.backend.start(order).name
    assert again != name
    shop.backend.stop(again)
    shop.wait(again, JobState.STOPPED)


def test_a_job_that_never_was_has_no_state_and_no_log_and_can_be_stopped(shop):
    with pytest.raises(NotFoundError):
        shop.backend.poll("shop-train-never-e0")
    assert shop.backend.read_log("shop-train-never-e0").lines == ()
    shop.backend.stop("shop-train-never-e0")


def test_the_link_names_the_job(shop):
    assert "shop-train-x-e0" in shop.backend.describe_link("shop-train-x-e0")


def test_calls_nothing_but_the_actions_that_it_names(request, stack, granted):
    for name in backend_names():
        shop = Shop(name, stack)
        failed = shop.backend.start(shop.order("fail", "actions", attempts=1)).name
        shop.wait(failed, JobState.FAILED)
        with pytest.raises(JobError):
            shop.backend.start(shop.order("fail", "actions", attempts=1))
        running = shop.backend.start(shop.order("run on", "actions")).name
        shop.backend.read_log(running)
        shop.backend.stop(running)
        shop.wait(running, JobState.STOPPED)
        named = set(importlib.import_module(f"ratchet.compute.{name}").IAM_ACTIONS)
        # Tags and roles go along with the request that makes the job.
        assert shop.door.actions == {action for action in named if not action.endswith((":AddTags", ":PassRole"))}
        assert named <= granted


def test_a_backend_that_nobody_wrote_is_refused_with_those_there_are(stack):
    with pytest.raises(SpecError, match="sagemaker"):
        make_backend("mainframe", stack.aws, stack.deployment, SETTINGS)
