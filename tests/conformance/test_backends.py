"""What every compute backend keeps, found by its file: one suite for all, with real jobs on localcloud."""

from __future__ import annotations

import hashlib
import importlib
import io
import tarfile
import time
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import pytest

from ratchet.aws.signed import send_signed
from ratchet.compute.backends import backend_names, make_backend
from ratchet.compute.bundle import Bundle, upload_bundle
from ratchet.compute.order import Backend, Channel, JobOrder, JobState, JobStatus
from ratchet.compute.rented.fleet import Rental
from ratchet.contract import metric_line
from ratchet.data import ClaimKey, Claims
from ratchet.errors import CapacityError, JobError, NotFoundError, SpecError
from ratchet.loop.reap import reap
from ratchet.naming import JOB_TAG, run_tags
from ratchet.settings import Settings
from tests.functional.rollout.rollout_stack import Door, Stack
from tests.waiting import wait_until

LIMIT_SECONDS = 120.0
RENTED = ("ec2", "ecs")
SCRIPT = f"""
import argparse, os, signal, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--behave")
parser.add_argument("--epochs", type=int)
options, _ = parser.parse_known_args()
for epoch in range(options.epochs):
    print({metric_line({"train_loss": 0.25})!r}, flush=True)
print("the channel holds", *sorted(os.listdir(os.environ["SM_CHANNEL_DATA"])), flush=True)
if options.behave == "fail":
    sys.exit("no gradient to descend")
if options.behave == "hang":
    # Neither the script nor whoever looks after it does anything any more.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    toolkit = os.getppid()
    agent = int(open("/proc/%d/stat" % toolkit).read().rpartition(")")[2].split()[1])
    os.kill(agent, signal.SIGSTOP)
if options.behave == "count":
    # Ten steps; what is done already lies where the one before has saved it.
    folder = os.path.join(os.path.dirname(os.environ["SM_MODEL_DIR"]), "checkpoints")
    saved = os.path.join(folder, "step")
    first = int(open(saved).read()) if os.path.exists(saved) else 0
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    for step in range(first, 10):
        print("step", step, flush=True)
        time.sleep(0.1)
        while step == 4 and first == 0 and not stopped:
            time.sleep(0.1)
        with open(saved, "w") as stream:
            stream.write(str(step + 1))
        if stopped:
            sys.exit(143)
while options.behave in ("run on", "hang"):
    time.sleep(0.1)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as stream:
    stream.write("learned")
os.mkdir(os.path.join(os.environ["SM_MODEL_DIR"], "more"))
with open(os.path.join(os.environ["SM_MODEL_DIR"], "more", "weights"), "wb") as stream:
    stream.write(bytes(range(256)) * 64)
"""
SETTINGS = Settings(region="us-east-1")


class Shop:
    """A backend, orders for it, and their ends."""

    def __init__(self, name: str, stack: Stack) -> None:
        self.key = name
        self.door = Door(stack.url)
        self.deployment = stack.deployment
        self.backend = self.open_backend()
        self.code_uri = upload_bundle(cast(Any, self.door), stack.deployment.jobs_bucket, bundle_script())
        stack.aws.client("s3").put_object(Bucket=stack.deployment.data_bucket, Key="shop/a.txt", Body=b"pixels")
        self.door.actions.clear()
        self._spare = Door(stack.url)  # for the test's own looks

    def open_backend(self) -> Backend:
        """The backend as another process has it."""
        return make_backend(self.key, cast(Any, self.door), self.deployment, SETTINGS)

    @cached_property
    def exhausted(self) -> tuple[list[str], JobError]:
        """Jobs of an order that fails, bought as often as it may be, and what the next order is told."""
        order = self.order("fail", "attempts", attempts=2)
        names = []
        for _ in range(2):
            names.append(self.backend.start(order).name)
            assert self.wait(names[-1], JobState.FAILED).message
        with pytest.raises(JobError) as caught:
            self.backend.start(order)
        return names, caught.value

    @cached_property
    def followed(self) -> tuple[JobStatus, list[str]]:
        """A job that was followed to its end, and the lines of its log as they came."""
        name = self.backend.start(self.order("train", "once")).name
        lines, cursor = [], ""
        while not (status := self.backend.poll(name)).state.ended:
            page = self.backend.read_log(name, cursor)
            lines, cursor = [*lines, *page.lines], page.cursor
            time.sleep(0.2)
        page = self.backend.read_log(name, cursor)
        assert self.backend.read_log(name, page.cursor).lines == ()
        return status, [*lines, *page.lines]

    def machines(self) -> list[str]:
        """What runs for jobs now: instances and tasks."""
        filters = [
            {"Name": "tag-key", "Values": [JOB_TAG]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        found = self._spare.client("ec2").describe_instances(Filters=filters)["Reservations"]
        instances = [instance["InstanceId"] for reservation in found for instance in reservation["Instances"]]
        tasks = self._spare.client("ecs").list_tasks(cluster=self.deployment.cluster_name)["taskArns"]
        return instances + tasks

    def kill_machine(self) -> None:
        """Do what a failing rack does."""
        (machine,) = self.machines()
        if self.key == "ec2":
            self._spare.client("ec2").terminate_instances(InstanceIds=[machine])
        else:
            self._spare.client("ecs").stop_task(cluster=self.deployment.cluster_name, task=machine)

    def wait_until_nothing_runs(self) -> None:
        wait_until(lambda: self.machines() == [], "no machine runs for a job", LIMIT_SECONDS)

    def read_archive(self, uri: str) -> dict[str, bytes | None]:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        content = self._spare.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            files = [(member, tar.extractfile(member)) for member in tar]
            return {member.name: file.read() if file else None for member, file in files}

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
            force_nonce=f"{self.key} {nonce}",  # an order alike is one job, also to the two that keep one record
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


@pytest.fixture(scope="module")
def shops(stack: Stack) -> dict[str, Shop]:
    return {name: Shop(name, stack) for name in backend_names()}


@pytest.fixture(scope="module", params=backend_names())
def shop(request: pytest.FixtureRequest, shops: dict[str, Shop]) -> Shop:
    return shops[request.param]


def test_a_job_trains_once_however_often_and_by_whom_it_is_ordered(shop):
    shop.wait_until_nothing_runs()
    order = shop.order("train", "once")
    first = shop.backend.start(order)
    assert first.state in (JobState.RUNNING, JobState.SUCCEEDED)
    assert shop.backend.start(order).name == first.name
    # Whoever started it is gone, and another process goes on.
    assert shop.open_backend().start(order).created_at == first.created_at
    if shop.key in RENTED:
        assert len(shop.machines()) == 1
    ended, _ = shop.followed
    assert shop.open_backend().start(order).created_at == ended.created_at
    assert shop.backend.start(order).state is JobState.SUCCEEDED


def test_a_job_that_ended_tells_its_artefact_metrics_and_times(shop):
    ended, _ = shop.followed
    assert ended.archive_uri == f"s3://{shop.deployment.jobs_bucket}/jobs/{ended.name}/output/model.tar.gz"
    assert ended.metrics == {"train_loss": 0.25}
    assert ended.created_at <= ended.started_at <= ended.ended_at
    assert ended.billable_seconds >= 0
    assert "mxnet-training" in ended.image_uri


def test_the_same_order_leaves_the_same_artefact_wherever_it_runs(shops):
    found = [shop.read_archive(shop.followed[0].archive_uri) for shop in shops.values()]
    assert found[0]["model.txt"] == b"learned"
    assert list(found[0]) == ["model.txt", "more", "more/weights"]
    assert all(list(each.items()) == list(found[0].items()) for each in found[1:])


def test_another_nonce_is_another_job(shop):
    other = shop.backend.start(shop.order("train", "another")).name
    shop.backend.stop(other)
    assert other != shop.backend.start(shop.order("train", "once")).name


def test_the_log_is_read_on_from_the_cursor(shop):
    ended, lines = shop.followed
    assert [line for line in lines if "train_loss" in line] == [metric_line({"train_loss": 0.25})] * 2
    assert "the channel holds a.txt" in lines
    assert list(shop.backend.read_log(ended.name).lines) == lines


def test_a_failed_job_is_bought_again_until_the_attempts_are_used_up(shop):
    names, error = shop.exhausted
    assert len(set(names)) == 2
    assert "no gradient to descend" in str(error)


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


def test_a_job_beyond_its_time_is_ended(shop):
    name = shop.backend.start(shop.order("run on", "long", max_runtime_seconds=6)).name
    assert shop.wait(name, JobState.STOPPED).phase == "MaxRuntimeExceeded"


@pytest.mark.parametrize("key", RENTED)
def test_a_machine_whose_programs_hang_ends_all_the_same(shops, key):
    shop = shops[key]
    backend = cast(Any, shop.open_backend())
    backend.patience = replace(backend.patience, slack_seconds=4.0)
    name = backend.start(shop.order("hang", "hang", max_runtime_seconds=4)).name
    status = shop.wait(name, JobState.FAILED)
    assert "the machine ended before the job had its end" in status.message
    shop.wait_until_nothing_runs()


@pytest.mark.parametrize("key", RENTED)
def test_a_job_whose_machine_is_lost_fails_and_the_next_order_is_a_new_one(shops, key):
    shop = shops[key]
    shop.wait_until_nothing_runs()
    order = shop.order("run on", "lost")
    name = shop.backend.start(order).name
    shop.wait_for_line(name, "the channel holds")
    shop.kill_machine()
    assert shop.wait(name, JobState.FAILED).message
    again = shop.backend.start(order).name
    assert again != name
    shop.backend.stop(again)
    shop.wait(again, JobState.STOPPED)
    shop.wait_until_nothing_runs()


def test_spot_capacity_that_is_taken_back_is_replaced_and_the_job_goes_on(shops, stack):
    shop = shops["ec2"]
    shop.wait_until_nothing_runs()
    name = shop.backend.start(shop.order("count", "spot", spot=True, checkpoints=True)).name
    shop.wait_for_line(name, "step 4")
    (instance,) = shop.machines()
    request = {"InstanceId": instance, "Seconds": 20}
    status, _ = send_signed("POST", f"{stack.url}/_localcloud/spot", request, region="us-east-1", key=("test", "test"))
    assert status == 202
    ended = shop.wait(name)
    lines = shop.backend.read_log(name).lines
    steps = [int(line.rpartition(" ")[2]) for line in lines if line.startswith("[attempt") and "] step " in line]
    assert steps == list(range(10))
    assert shop.read_archive(ended.archive_uri)["model.txt"] == b"learned"
    assert ended.billable_seconds >= ended.training_seconds > 0
    shop.wait_until_nothing_runs()


def test_spot_capacity_that_is_not_there_is_bought_on_demand(shops, stack):
    shop = shops["ec2"]
    order = shop.order("run on", "no spot", spot=True, checkpoints=True)
    fleet = cast(Any, shop.backend)._fleet
    real, markets = fleet.rent, []

    def rent(rental: Rental) -> str:
        markets.append(rental.market)
        if rental.market == "spot":
            raise CapacityError("there is no Spot capacity")
        return real(rental)

    fleet.rent = rent
    try:
        name = shop.backend.start(order).name
    finally:
        fleet.rent = real
    assert markets == ["spot", "on-demand"]
    shop.backend.stop(name)
    shop.wait(name, JobState.STOPPED)


def test_a_job_that_never_was_has_no_state_and_no_log_and_can_be_stopped(shop):
    with pytest.raises(NotFoundError):
        shop.backend.poll("shop-train-never-e0")
    assert shop.backend.read_log("shop-train-never-e0").lines == ()
    shop.backend.stop("shop-train-never-e0")


def test_the_link_names_the_job(shop):
    assert "shop-train-x-e0" in shop.backend.describe_link("shop-train-x-e0")


def test_what_no_run_holds_is_ended_and_nothing_before(shops, stack):
    claims = Claims(stack.aws, stack.deployment, stack.clock)
    key = ClaimKey("shop", "d" * 64, "i" * 64)
    claims.take(key, holder="run-1")
    tags = run_tags("shop", "run-1", "train", claim="d/i")
    started = {name: shop.backend.start(shop.order("run on", "reap", tags=tags)).name for name, shop in shops.items()}

    def clear_away(**how: bool) -> set[tuple[str, str]]:
        ended = reap(stack.aws, stack.deployment, SETTINGS, clock=stack.clock, **how)
        return {(each.backend, each.job) for each in ended}

    assert clear_away() == set()
    claims.finish(key, holder="run-1", outcome="failed")
    assert clear_away(dry_run=True) >= set(started.items())
    assert all(not shop.backend.poll(started[name]).state.ended for name, shop in shops.items())
    assert clear_away() >= set(started.items())
    for name, shop in shops.items():
        shop.wait(started[name], JobState.STOPPED)
    assert clear_away() == set()


def test_calls_nothing_but_the_actions_that_it_names(shop, granted):
    for job in (shop.followed[0].name, *shop.exhausted[0], shop.backend.start(shop.order("train", "another")).name):
        shop.backend.stop(job)
    swept = shop.backend.start(shop.order("run on", "swept", tags={"swept": "yes"})).name
    assert swept in {each.job for each in shop.backend.sweep(lambda tags: tags.get("swept", ""))}
    shop.wait(swept, JobState.STOPPED)
    named = set(importlib.import_module(f"ratchet.compute.{shop.key}").IAM_ACTIONS)
    # Tags and roles go along with the request that makes the job.
    silent = (":AddTags", ":CreateTags", ":PassRole", ":TagResource")
    assert shop.door.actions == {action for action in named if not action.endswith(silent)}
    assert named <= granted


def test_a_backend_that_nobody_wrote_is_refused_with_those_there_are(stack):
    with pytest.raises(SpecError, match="ec2, ecs, sagemaker"):
        make_backend("mainframe", stack.aws, stack.deployment, SETTINGS)
