"""Freeze, check, prepare and train on a real localcloud: a table under odd keys, from copies nobody overwrites."""

from __future__ import annotations

import json
import random
import socket
import time

import boto3
import pytest

from localcloud.server import LocalCloud
from ratchet.aws.stack import read_deployment
from ratchet.compute.order import JobState
from ratchet.dataset_spec import Checks, Column, Data
from ratchet.errors import DataError
from ratchet.laptop import provision
from ratchet.loop.check import check
from ratchet.loop.order import Step
from ratchet.loop.step import Request, freeze, place_order, register
from ratchet.loop.workshop import Workshop
from ratchet.settings import load_settings
from ratchet.spec import Approval, Pipeline, Training

_LIMIT_SECONDS = 240
_KEYS = ["plus+ and space.csv", "новый/ü.csv", "x" * 900 + ".csv"]


class Laptop:
    """Clients of one localcloud, with the two members that the product's door to AWS has."""

    region = "us-east-1"

    def __init__(self, url: str) -> None:
        self._url = url

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=self.region, endpoint_url=self._url, **keys)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory):
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as cloud:
        door = Laptop(cloud.url)
        provision._create(door.client("cloudformation"), door, service_port=_free_port())
        yield door


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def rows(number, seed):
    noise = random.Random(seed)
    lines = [f"{noise.gauss(5 * (n % 2), 1):.3f},{noise.random():.3f},{('no', 'yes')[n % 2]}" for n in range(number)]
    return ("height,noise,label\n" + "\n".join(lines) + "\n").encode()


def upload(shop, key, body):
    bucket = shop.deployment.data_bucket
    where = {"Bucket": bucket, "Key": f"datasets/heights/{key}"}
    shop.aws.client("s3").put_object(**where, Body=body, ChecksumAlgorithm="SHA256")


def run(shop, step, state):
    job = place_order(shop, step, "r1", state).status.name
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not (status := shop.backend.poll(job)).state.ended:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    assert status.state is JobState.SUCCEEDED, status
    return job


@pytest.fixture(scope="module")
def shop(laptop):
    pipeline = Pipeline(
        name="heights",
        data=Data(
            dataset="heights",
            format="csv",
            freeze="copy",
            labels=("no", "yes"),
            checks=Checks(columns={"height": Column(min=-50, max=50)}),
        ),
        training=Training(network="mlp", hyperparameters={"epochs": 2, "threads": 1}),
        approval=Approval(approvers=("alice",)),
    )
    deployment = read_deployment(laptop, "ratchet")
    return Workshop(pipeline, settings=load_settings(), aws=laptop, deployment=deployment)


@pytest.mark.mxnet
def test_a_table_is_trained_on_as_it_was_frozen(shop):
    for number, key in enumerate(_KEYS):
        upload(shop, key, rows(40, number))
    ticket = freeze(shop, Request("r1"))
    assert ticket.granted
    state = {"ticket": vars(ticket)}
    for key in _KEYS:
        upload(shop, key, b"overwritten while the run is under way")
    assert check(shop, ticket.dataset_version).require() == {"no": 60, "yes": 60}
    state["prepare_job"] = run(shop, Step.PREPARE, state)
    train_job = run(shop, Step.TRAIN, state)
    model = register(shop, ticket, run_id="r1", prepare_job=state["prepare_job"], train_job=train_job)
    assert model.provenance.dataset_version == ticket.dataset_version
    newer = freeze(shop, Request("r2"))
    assert newer.dataset_version != ticket.dataset_version
    with pytest.raises(DataError, match="every table can be read"):
        check(shop, newer.dataset_version).require()
    again = freeze(shop, Request("r1", dataset_version=ticket.dataset_version))
    assert json.dumps(vars(again)) == json.dumps({**vars(ticket), "reason": again.reason})
