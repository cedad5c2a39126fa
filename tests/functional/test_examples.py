"""The pipelines of `examples/`, from a package's data to what is live; and those of the page about own training."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from localcloud.engines import load_engines
from localcloud.runtime import TABLE, Runtimes
from localcloud.server import LocalCloud
from ratchet.aws.stack import read_deployment
from ratchet.cli.predict import about_csv, ask_function
from ratchet.compute.order import JobState
from ratchet.laptop import provision
from ratchet.laptop.example import write_example
from ratchet.loop.check import check
from ratchet.loop.order import Step
from ratchet.loop.step import Request, decide, freeze, place_order, record_evaluation, register
from ratchet.loop.workshop import Workshop
from ratchet.rollout.question import about
from ratchet.settings import load_settings
from ratchet.spec import load_pipeline

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "own-training.md").read_text("utf-8")
_LIMIT_SECONDS = 240
pytestmark = pytest.mark.mxnet


class Door:
    """The product's door to AWS, opened on one localcloud."""

    region = "us-east-1"

    def __init__(self, url: str) -> None:
        self._url = url

    def client(self, service, *, once=False):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=self.region, endpoint_url=self._url, **keys)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """What the page tells to write, where it tells to write it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own").mkdir()
    (folder / "pipelines").mkdir()
    (folder / "own" / "train.py").write_text(block("python")[0])
    for text in block("yaml"):
        (folder / "pipelines" / f"{text.split()[1]}.yaml").write_text(text)
    return folder


def block(language):
    found = re.findall(rf"^```{language}\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found


class WithOwnImage:
    """SageMaker's engine with the page's entry in the table of images."""

    def __init__(self, inner, table):
        self._inner, self._table = inner, table
        self.name = inner.name

    def install(self, host):
        self._inner.install(replace(host, runtimes=Runtimes.load(table=self._table)))

    def close(self):
        self._inner.close()


@pytest.fixture(scope="module")
def door(tmp_path_factory, own):
    table = own / "runtimes.toml"
    entry = block("toml")[0].replace('"own"', json.dumps(str(own / "own")))
    table.write_text(entry + TABLE.read_text("utf-8"))
    engines = [WithOwnImage(each, table) if each.name == "sagemaker" else each for each in load_engines()]
    home = tmp_path_factory.mktemp("home")
    with LocalCloud(home=home, engines=engines) as cloud, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        door = Door(cloud.url)
        provision._create(door.client("cloudformation"), door, service_port=port)
        yield door


def open_example(door, name, **hyperparameters):
    """The workshop of an example whose training ends soon, and where it is all the same."""
    return open_shop(door, ROOT / "examples" / f"{name}.yaml", **hyperparameters)


def open_shop(door, path, **hyperparameters):
    pipeline = load_pipeline(path)
    given = {**pipeline.training.hyperparameters, **hyperparameters}
    training = pipeline.training.model_copy(update={"hyperparameters": given})
    quick = pipeline.data.model_copy(update={"quiet_seconds": 0.0})
    pipeline = pipeline.model_copy(update={"training": training, "data": quick})
    settings = load_settings({"RATCHET_PIPELINES": str(path.parent)})
    return Workshop(pipeline, settings=settings, aws=door, deployment=read_deployment(door, "ratchet"))


def upload(shop, folder):
    for path in folder.iterdir():
        where = {"Bucket": shop.deployment.data_bucket, "Key": f"datasets/{shop.pipeline.data.dataset}/{path.name}"}
        shop.aws.client("s3").put_object(**where, Body=path.read_bytes(), ChecksumAlgorithm="SHA256")


def run(shop, step, state):
    job = place_order(shop, step, "r1", state).status.name
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not (status := shop.backend.poll(job)).state.ended:
        assert time.monotonic() < deadline, status
        time.sleep(0.1)
    assert status.state is JobState.SUCCEEDED, status
    return job


def train(shop, folder):
    """From files to a registered version, and what the steps have left."""
    write_example(shop.pipeline.data.dataset, folder)
    upload(shop, folder)
    ticket = freeze(shop, Request("r1"))
    check(shop, ticket.dataset_version).require()
    state = {"ticket": vars(ticket)}
    state["prepare_job"] = run(shop, Step.PREPARE, state)
    train_job = run(shop, Step.TRAIN, state)
    model = register(shop, ticket, run_id="r1", prepare_job=state["prepare_job"], train_job=train_job)
    return model, {**state, "version": model.version}


def pass_gates(shop, folder):
    model, state = train(shop, folder)
    record_evaluation(shop, model.version, run(shop, Step.EVALUATE, state))
    version, verdict = decide(shop, model.version, "run")
    assert verdict.passed, verdict
    return version


def release(shop, version):
    shop.approvals.record(
        version.model,
        version.version,
        digest=version.digest,
        approved=True,
        who="alice",
        comment="",
        approvers=("alice",),
        via="test",
    )
    now = shop.registry.get(version.model, version.version)
    shop.releases.begin(now, shop.releases.plan(now, shop.pipeline.release), run_id="r1", actor="alice")
    deadline = time.monotonic() + _LIMIT_SECONDS
    while not (progress := shop.releases.open(version.model, version.version).advance()).done:
        assert time.monotonic() < deadline, progress
        time.sleep(0.1)
    assert progress.succeeded, progress
    return shop.releases.promote(version.model, version.version, actor="r1")


def ask_live(shop, question):
    """The labels of every example that both targets name; they have to agree."""
    answers = [ask_function(shop.aws, shop.deployment, question), post(shop, question.body, question.content_type)]
    labels = [[each["predictions"][0]["label"] for each in answer["results"]] for answer in answers]
    assert labels[0] == labels[1]
    assert {answer["model"]["digest"] for answer in answers} == {shop.registry.champion(shop.pipeline.name).digest}
    return labels[0]


def post(shop, body, content_type):
    headers = {"Content-Type": content_type}
    request = urllib.request.Request(f"{shop.deployment.service_url}/predict", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_a_table_goes_all_the_way_to_live(door, tmp_path):
    shop = open_example(door, "tumours", epochs=8, threads=1)
    release(shop, pass_gates(shop, tmp_path))
    lines = (tmp_path / "tumours.csv").read_text().splitlines()
    table = "\n".join(lines[index] for index in (0, 1, 20, 50)) + "\n"
    labels = ask_live(shop, about_csv(table))
    assert labels == [line.rsplit(",", 1)[1] for line in table.splitlines()[1:]]
    assert [each["predictions"][0]["label"] for each in post(shop, table.encode(), "text/csv")["results"]] == labels


def test_texts_go_all_the_way_to_live(door, tmp_path):
    shop = open_example(door, "languages", epochs=5, threads=1)
    release(shop, pass_gates(shop, tmp_path))
    sentences = {
        "de": "Der Lauf wurde erfolgreich ausgelöst und wird bald wiederholt.",
        "en": "The connection could not be deleted because it is still used.",
        "fr": "Une erreur est survenue lors de la suppression de la connexion.",
        "pl": "Nie udało się usunąć połączenia, spróbuj ponownie później.",
    }
    assert ask_live(shop, about({"texts": list(sentences.values())})) == list(sentences)
    answer = post(shop, sentences["pl"].encode(), "text/plain; charset=utf-8")
    assert answer["predictions"][0]["label"] == "pl"


def test_the_script_of_the_page_about_own_training_leaves_a_model_that_passes(door, own, tmp_path):
    version = pass_gates(open_shop(door, own / "pipelines" / "own-script.yaml"), tmp_path)
    assert version.metrics["validation_accuracy"] > 0.9
    assert version.evaluation["challenger"]["accuracy"] > 0.9


def test_the_image_of_the_page_about_own_training_leaves_a_version(door, own, tmp_path):
    model, _ = train(open_shop(door, own / "pipelines" / "own-image.yaml"), tmp_path)
    assert model.metrics["validation_accuracy"] > 0.9
    assert "my-trainer" in model.provenance.image_uri
