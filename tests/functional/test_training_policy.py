"""Buying a training for real on localcloud: spare machines, none, too small a quota, scripts and roles that err."""

from __future__ import annotations

import contextlib
import io
import json
import random
import socket
import tarfile
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import pytest

from localcloud.server import LocalCloud
from ratchet.aws.bucket import Bucket
from ratchet.aws.signed import send_signed
from ratchet.aws.stack import read_deployment
from ratchet.compute.course import read_epoch
from ratchet.compute.order import JobState
from ratchet.dataset_spec import Data
from ratchet.errors import ArtefactError, CapacityError, NotPermittedError, SpecError
from ratchet.laptop import provision
from ratchet.laptop.fault import Faults
from ratchet.laptop.process import poll_until
from ratchet.loop.check import check, refuse_machines
from ratchet.loop.estimate import tell_reuse
from ratchet.loop.order import Step
from ratchet.loop.request import Request
from ratchet.loop.step import finish, freeze, place_order, register
from ratchet.loop.watch import JobWatch
from ratchet.loop.workshop import Workshop
from ratchet.naming import job_output_key
from ratchet.registry.weights import read_weights
from ratchet.settings import Settings
from ratchet.spec import Approval, Fallback, Pipeline, Training

ROOT = Path(__file__).parents[2]
KEY = ("test", "test")
LIMIT_SECONDS = 180.0
pytestmark = pytest.mark.mxnet
EPOCHS = 8
WORK = {"network": "mlp", "instance_type": "ml.m5.large", "source_folder": str(ROOT), "checkpoints": True}
SLOW = {"epochs": EPOCHS, "threads": 1, "batch-size": 4, "learning-rate": 0.0005, "patience": 50}

# Scripts that err, each in its own way; all of them run as real jobs at once.
_MODEL = """
import os, pathlib, struct, subprocess, sys
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
def leave(number):
    sys.path.insert(0, os.getcwd())
    from ratchet.contract import ARTEFACT_FILES, PARAMS_FILE, write_manifest
    for name in ARTEFACT_FILES:
        (model / name).write_text("{}")
    array = struct.pack("<Iii1qiii4f", 0xF993FAC9, 0, 1, 4, 1, 0, 0, 1.0, number, 2.0, 3.0)
    name = b"arg:dense0_weight"
    head = struct.pack("<QQQ", 0x112, 0, 1)
    (model / PARAMS_FILE).write_bytes(head + array + struct.pack("<QQ", 1, len(name)) + name)
    write_manifest(model)
"""
SCRIPTS = {
    "empty": "pass",
    "nan": "leave(float('nan'))",
    "silent": "leave(1.0)",
    "full": "stream = open('/dev/full', 'w'); stream.write('weights'); stream.flush()",
    "forks": "child = subprocess.Popen(['sleep', '3000'], start_new_session=True, close_fds=True);"
    "print('child', child.pid, flush=True); leave(1.0)",
    "stubborn": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', os.getpid(), flush=True); time.sleep(3000)",
}


def await_it(condition, what):
    """Look four times a second: localcloud lives in this process, and a job needs the processors too."""
    for _ in poll_until(LIMIT_SECONDS, 0.25):
        if found := condition():
            return found
    raise AssertionError(f"not seen within {LIMIT_SECONDS} s: {what}")


class Door:
    """The product's door to AWS, with the keys of whoever is asked for."""

    region = "us-east-1"

    def __init__(self, url, keys):
        self._url, self._keys = url, keys

    def client(self, service, *, once=False):
        return boto3.client(service, region_name=self.region, endpoint_url=self._url, **self._keys)


class World:
    def __init__(self, url, folder):
        self.url, self.folder = url, folder
        self.door = Door(url, {"aws_access_key_id": "test", "aws_secret_access_key": "test"})
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        provision._create(self.door.client("cloudformation"), self.door, service_port=port)
        self.deployment = read_deployment(self.door, "ratchet")
        self.faults = Faults(url, "us-east-1", KEY)
        for number in range(4):
            self._upload(f"{number}.csv", number)

    def shop(self, *, door=None, deployment=None, **training):
        pipeline = Pipeline(
            name="heights",
            data=Data(dataset="heights", format="csv"),
            training=Training(**(WORK | training)),
            approval=Approval(approvers=("alice",)),
        )
        settings = Settings(region="us-east-1")
        return Workshop(pipeline, settings=settings, aws=door or self.door, deployment=deployment or self.deployment)

    def script(self, name, **training):
        """A pipeline whose training is one of the scripts."""
        source = self.folder / name
        if not source.exists():
            (source / "training").mkdir(parents=True)
            (source / "ratchet").mkdir()
            for file in ("__init__.py", "contract.py"):
                (source / "ratchet" / file).write_text((ROOT / "ratchet" / file).read_text())
            (source / "training" / "mine.py").write_text(_MODEL + SCRIPTS[name])
        return self.shop(source_folder=str(source), entry_point="training/mine.py", **training)

    def start(self, shop, run_id, step=Step.TRAIN, prepare_job="heights-prepare", **asked):
        ticket = freeze(shop, Request(run_id, force=True, reason="a test", **asked))
        return ticket, place_order(shop, step, run_id, {"ticket": vars(ticket), "prepare_job": prepare_job})

    def end(self, shop, placed):
        """Follow a job to its end, as a task does; return its status, its lines and the last look."""
        watch = JobWatch(shop, {"job": placed.status.name, "epochs": EPOCHS, "more_offers": placed.more_offers})
        lines = []

        def look():
            seen = watch.look()
            lines.extend(seen.lines)
            return seen if seen.done else None

        last = await_it(look, f"the end of {placed.status.name}")
        return shop.backend.poll(placed.status.name), lines, last

    def drop(self, shop, placed):
        """End a job whose result nobody needs."""
        shop.backend.stop(placed.status.name)
        self.end(shop, placed)

    def _upload(self, key, seed):
        noise = random.Random(seed)
        rows = [f"{noise.gauss(3 * (n % 2), 1):.3f},{noise.random():.3f},{('no', 'yes')[n % 2]}" for n in range(250)]
        body = ("height,noise,label\n" + "\n".join(rows) + "\n").encode()
        where = {"Bucket": self.deployment.data_bucket, "Key": f"datasets/heights/{key}"}
        self.door.client("s3").put_object(**where, Body=body, ChecksumAlgorithm="SHA256")


@pytest.fixture(scope="module")
def world(tmp_path_factory, _grace):
    with LocalCloud(home=tmp_path_factory.mktemp("home"), enforce_iam=True) as cloud:
        yield World(cloud.url, tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def _grace():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALCLOUD_SAGEMAKER_STOP_GRACE_SECONDS", "1.5")
        patch.setenv("LOCALCLOUD_SAGEMAKER_CHECKPOINT_SECONDS", "0.05")
        yield


@pytest.fixture(scope="module")
def prepared(world):
    """A prepared dataset that every training here reads."""
    shop = world.shop()
    _, placed = world.start(shop, "prepare", Step.PREPARE)
    status, _, _ = world.end(shop, placed)
    assert status.state is JobState.SUCCEEDED, status
    return status.name


@pytest.fixture(scope="module")
def wrong(world, prepared):
    """Every script that errs, started at once."""
    return {
        name: (world.script(name), *world.start(world.script(name), name, prepare_job=prepared)) for name in SCRIPTS
    }


def test_a_training_whose_spare_machine_is_taken_back_goes_on_without_a_gap_or_a_repeat(world, prepared):
    spot, plain = (world.shop(spot=spot, hyperparameters=SLOW) for spot in (True, False))
    other = world.start(plain, "plain", prepare_job=prepared)[1]
    ticket, placed = world.start(spot, "spot", prepare_job=prepared)
    name = placed.status.name

    def epochs():
        return [epoch["epoch"] for epoch in map(read_epoch, spot.backend.read_log(name).lines) if epoch]

    await_it(lambda: len(epochs()) >= 2, "two epochs")
    notice = {"TrainingJobName": name, "WaitSeconds": 0}
    assert send_signed("POST", f"{world.url}/_localcloud/spot", notice, region="us-east-1", key=KEY)[0] == 202
    status, lines, last = world.end(spot, placed)
    assert status.state is JobState.SUCCEEDED, status
    assert [line for line in lines if line.startswith("resumed after epoch")]
    assert epochs()[:EPOCHS] == list(range(1, EPOCHS + 1))  # the best one's line may come once more, at the end
    assert status.billable_seconds < status.training_seconds
    assert "Spot saved $" in last.message
    model = register(spot, ticket, run_id="spot", prepare_job=prepared, train_job=name)
    assert model.provenance.spot
    assert model.provenance.saved_usd > model.provenance.cost_usd > 0

    assert world.end(plain, other)[0].state is JobState.SUCCEEDED
    for mine, undisturbed in zip(_curve(world, name), _curve(world, other.status.name), strict=True):
        assert mine == pytest.approx(undisturbed, rel=1e-6)
    assert _weights(world, name) == _weights(world, other.status.name)


def test_without_a_machine_the_next_one_of_the_policy_is_bought_and_the_version_says_why(world, prepared):
    shop = world.script("silent", fallback=(Fallback(instance_type="ml.c5.xlarge"),))
    world.faults.add({"effect": "capacity", "service": "sagemaker", "count": 1})
    try:
        ticket, placed = world.start(shop, "lack", prepare_job=prepared)
        state = {"ticket": vars(ticket), "prepare_job": prepared}
        if placed.more_offers:  # the job may have failed before it was looked at for the first time
            last = world.end(shop, placed)[2]
            assert (last.outcome["state"], last.outcome["no_capacity"], last.outcome["more_offers"]) == (
                "failed",
                True,
                1,
            )
            placed = place_order(shop, Step.TRAIN, "lack", state)
    finally:
        world.faults.clear()
    assert placed.order.instance_type == "ml.c5.xlarge"
    assert "CapacityError" in placed.placement.because
    assert world.end(shop, placed)[0].state is JobState.SUCCEEDED
    model = register(shop, ticket, run_id="lack", prepare_job=prepared, train_job=placed.status.name)
    assert model.provenance.instance_type == "ml.c5.xlarge"
    assert model.provenance.placement.startswith("ml.m5.large of sagemaker: job ")


def test_the_same_work_is_taken_from_an_earlier_run_unless_new_jobs_are_asked_for(world, prepared):
    shop = world.script("silent", hyperparameters={"seed": 9})
    jobs = {}
    for run_id, asked in (("first", {}), ("second", {}), ("third", {"no_reuse": True})):
        ticket = freeze(shop, Request(run_id, **asked))
        assert ticket.granted, ticket.reason
        jobs[run_id] = place_order(shop, Step.TRAIN, run_id, {"ticket": vars(ticket), "prepare_job": prepared})
        if run_id == "third":
            world.drop(shop, jobs[run_id])
        else:
            assert world.end(shop, jobs[run_id])[0].state is JobState.SUCCEEDED
        finish(shop, ticket, run_id=run_id, outcome="failed")
    assert jobs["second"].status.name == jobs["first"].status.name != jobs["third"].status.name
    told = tell_reuse(shop, jobs["second"])
    assert "of run first has the same data, code, image and parameters" in told
    assert "at no cost" in told
    assert "--no-reuse" in told
    finish(shop, freeze(shop, Request("fourth")), run_id="fourth", outcome="promoted")
    assert "already trained by run fourth" in freeze(shop, Request("fifth", no_reuse=True)).reason


def test_a_refusal_when_the_job_is_made_moves_on_at_once(world, prepared):
    shop = world.script("silent", fallback=(Fallback(instance_type="ml.c5.2xlarge"),))
    code = "ResourceLimitExceeded"
    fault = {"effect": "error", "operation": "CreateTrainingJob", "code": code, "status": 400, "count": 1}
    world.faults.add(fault)
    try:
        _, placed = world.start(shop, code, prepare_job=prepared)
    finally:
        world.faults.clear()
    assert placed.order.instance_type == "ml.c5.2xlarge"
    assert code in placed.placement.because
    world.drop(shop, placed)


def test_a_quota_that_is_too_small_is_told_with_its_value_and_what_to_ask_for(world, prepared, wrong):
    quotas = world.door.client("service-quotas")
    name = "ml.p3.8xlarge for training job usage"
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    code = next(q["QuotaCode"] for page in pages for q in page["Quotas"] if q["QuotaName"] == name)
    quotas.request_service_quota_increase(ServiceCode="sagemaker", QuotaCode=code, DesiredValue=1)
    shop = world.script("silent", instance_type="ml.p3.8xlarge", instance_count=2)
    with pytest.raises(CapacityError, match=rf"{name}' in us-east-1 is 1, and 2 is needed.*{code} --desired-value 2"):
        refuse_machines(shop)
    with pytest.raises(CapacityError, match="--desired-value 2"):
        world.start(shop, "quota", prepare_job=prepared)
    widened = world.script(
        "silent", instance_type="ml.p3.8xlarge", instance_count=2, fallback=(Fallback(instance_type="ml.m5.large"),)
    )
    refuse_machines(widened)
    # AWS itself says the same of what is in use.
    order = replace(wrong["silent"][2].order, instance_type="ml.p3.8xlarge", instance_count=2)
    with pytest.raises(CapacityError, match=r"account-level service limit.*utilization of 0"):
        shop.backend.start(order)


def test_a_machine_that_does_not_exist_is_refused_before_anything_is_spent(world):
    shop = world.shop(instance_type="ml.p3.3xlarge")
    ticket = freeze(shop, Request("strange", force=True, reason="a test"))
    with pytest.raises(SpecError, match=r"no machine 'ml\.p3\.3xlarge'.*near it are ml\.p3\..*Nothing was spent"):
        check(shop, ticket.dataset_version)


def test_a_script_that_leaves_no_model_is_not_registered(world, prepared, wrong):
    shop, ticket, placed = wrong["empty"]
    assert world.end(shop, placed)[0].state is JobState.SUCCEEDED
    with pytest.raises(ArtefactError, match=r"ended well and left no model.*SM_MODEL_DIR"):
        register(shop, ticket, run_id="empty", prepare_job=prepared, train_job=placed.status.name)


def test_weights_that_are_no_numbers_are_not_registered(world, prepared, wrong):
    shop, ticket, placed = wrong["nan"]
    assert world.end(shop, placed)[0].state is JobState.SUCCEEDED
    with pytest.raises(ArtefactError, match=r"NaN or infinite.*arg:dense0_weight.*lower the learning rate"):
        register(shop, ticket, run_id="nan", prepare_job=prepared, train_job=placed.status.name)


def test_a_script_that_prints_no_metric_is_told_how_to(world, wrong):
    shop, _, placed = wrong["silent"]
    status, _, last = world.end(shop, placed)
    assert status.state is JobState.SUCCEEDED
    assert "printed no metric" in last.message
    assert "metric_line" in last.message


def test_a_disk_that_is_full_is_told_with_the_key_to_raise(world, wrong):
    shop, _, placed = wrong["full"]
    status, _, last = world.end(shop, placed)
    assert status.state is JobState.FAILED
    assert "No space left on device" in last.outcome["message"]
    assert "raise training.volume_gib" in last.outcome["message"]


def test_children_that_outlive_their_script_end_with_the_job(world, wrong):
    shop, _, placed = wrong["forks"]
    status, lines, _ = world.end(shop, placed)
    assert status.state is JobState.SUCCEEDED
    await_it(lambda: not _lives(_pid(lines, "child")), "the end of the child")


def test_a_script_that_ignores_the_stop_is_killed_and_nothing_is_left(world, wrong):
    shop, _, placed = wrong["stubborn"]
    pid = await_it(lambda: _pid(shop.backend.read_log(placed.status.name).lines, "deaf"), "the script at work")
    shop.backend.stop(placed.status.name)
    status, _, last = world.end(shop, placed)
    assert status.state is JobState.STOPPED
    assert last.outcome["state"] == "stopped"
    await_it(lambda: not _lives(pid), "the end of the script")


def test_a_job_whose_role_may_not_read_says_who_has_to_allow_it(world, prepared):
    iam = world.door.client("iam")
    arn = iam.create_role(RoleName="nobody", AssumeRolePolicyDocument=json.dumps({"Statement": []}))["Role"]["Arn"]
    shop = world.shop(deployment=replace(world.deployment, training_role_arn=arn))
    _, placed = world.start(shop, "denied", prepare_job=prepared)
    status, _, last = world.end(shop, placed)
    assert status.state is JobState.FAILED
    assert "TrainingRole" in last.outcome["message"]


@pytest.mark.parametrize("missing", ["sagemaker:CreateTrainingJob", "iam:PassRole"])
def test_whoever_may_not_start_a_job_learns_which_permission_is_missing(world, prepared, missing):
    iam, user = world.door.client("iam"), missing.replace(":", "-")
    iam.create_user(UserName=user)
    statement = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": missing, "Resource": "*"},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=user, PolicyName="most", PolicyDocument=document)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    keys = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    shop = world.shop(door=Door(world.url, keys))
    with pytest.raises(NotPermittedError, match=rf"{missing}[\s\S]*OrchestratorPolicy of infra/ratchet\.yaml"):
        world.start(shop, missing, prepare_job=prepared)


def test_nothing_runs_when_all_is_over(world):
    client = world.door.client("sagemaker")
    await_it(
        lambda: not client.list_training_jobs(StatusEquals="InProgress")["TrainingJobSummaries"], "the end of all jobs"
    )


def _lives(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _pid(lines, word):
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{word} ")), 0)


def _unpack(world, job, tmp="model.tar.gz"):
    body = Bucket(world.door, world.deployment.jobs_bucket).read(job_output_key(job, tmp))
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isreg()}


def _curve(world, job):
    history = json.loads(_unpack(world, job)["metrics.json"])["history"]
    return [{name: value for name, value in epoch.items() if name != "samples_per_second"} for epoch in history]


def _weights(world, job):
    return read_weights(_unpack(world, job)["model-0000.params"])
