"""A run's orders: what makes a job another job, and what does not."""

from __future__ import annotations

import pytest
from loop_parts import DIGITS, change

from ratchet.compute.order import Channel
from ratchet.compute.placement import Offer
from ratchet.contract import METRIC_NAMES
from ratchet.dataset_spec import Csv, Text
from ratchet.loop.order import EVALUATION_METRICS, Artefact, OrderBook, Step, identify_work, list_offers
from ratchet.spec import Fallback
from ratchet.tuning_spec import Tuning

CODE = "c" * 64
TUNING = Tuning.model_validate(
    {"ranges": {"momentum": {"type": "continuous", "min": 0.1, "max": 0.9}}, "budget": {"jobs": 2}}
)
WORK = identify_work(DIGITS, CODE)


@pytest.mark.parametrize(
    "other",
    [
        identify_work(DIGITS, "d" * 64),
        identify_work(DIGITS, CODE, "forced"),
        identify_work(change(DIGITS, "data", min_images_per_class=11), CODE),
        identify_work(change(DIGITS, "data", labels=("0", "1")), CODE),
        identify_work(change(DIGITS, "training", network="resnet18"), CODE),
        identify_work(change(DIGITS, "training", hyperparameters={"epochs": 13}), CODE),
        identify_work(change(DIGITS, "training", instance_type="ml.p3.2xlarge"), CODE),
        identify_work(change(DIGITS, "training", image_uri="mine:1"), CODE),
        identify_work(DIGITS, CODE, image_uri="mine@sha256:1"),
        identify_work(DIGITS.model_copy(update={"name": "cats"}), CODE),
        identify_work(DIGITS.model_copy(update={"tuning": TUNING}), CODE),
    ],
)
def test_what_decides_the_result_makes_other_work(other):
    assert other != WORK


@pytest.mark.parametrize(
    "same",
    [
        identify_work(change(DIGITS, "data", quiet_seconds=99.0), CODE),
        identify_work(change(DIGITS, "data", max_wait_seconds=99.0), CODE),
        identify_work(change(DIGITS, "approval", approvers=("bob",)), CODE),
        identify_work(change(DIGITS, "release", tasks=3), CODE),
        identify_work(
            change(
                DIGITS, "training", spot=True, spot_wait_seconds=7, checkpoints=True, fallback=(Fallback(spot=False),)
            ),
            CODE,
        ),
        identify_work(DIGITS.model_copy(update={"schedule": None, "owner": "me"}), CODE),
    ],
)
def test_waiting_approving_and_releasing_are_no_part_of_the_work(same):
    assert same == WORK


def book(pipeline=DIGITS, **more):
    return OrderBook(pipeline, **{"code_uri": "s3://jobs/code/c.tar.gz", "run_id": "r1"} | more)


def test_preparation_reads_the_frozen_objects_and_their_manifest():
    order = book().preparation("data", "v" * 64)
    assert order.program == "training/prepare.py"
    assert order.channels == (
        Channel("dataset", f"s3://data/manifests/digits/{'v' * 64}.sagemaker.json", manifest=True),
        Channel("manifest", f"s3://data/manifests/digits/{'v' * 64}.jsonl"),
    )
    assert order.hyperparameters["labels"] == "0,1,2,3,4,5,6,7,8,9"
    assert order.instance_type == DIGITS.training.preparation_instance_type
    assert (order.metrics, order.checkpoints) == ((), False)


def test_preparation_leaves_the_labels_open_when_the_spec_does():
    assert "labels" not in book(change(DIGITS, "data", labels=())).preparation("data", "v").hyperparameters


TEXTS = {"tokenizer": "characters", "length": 40, "vocabulary": 20_000}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, {}),
        ({"format": "recordio"}, {"format": "recordio"}),
        ({"format": "csv"}, {"format": "csv", "label-column": "label", "delimiter": ","}),
        ({"format": "text", "text": Text(tokenizer="characters", length=40)}, {"format": "text", **TEXTS}),
        (
            {"format": "csv", "csv": Csv(text_column="said"), "text": Text(tokenizer="characters", length=40)},
            {"format": "csv", "label-column": "label", "delimiter": ",", "text-column": "said", **TEXTS},
        ),
    ],
)
def test_preparation_is_told_the_format(data, told):
    given = book(change(DIGITS, "data", **data)).preparation("data", "v").hyperparameters
    general = {"channels", "height", "width", "labels", "min-images-per-class", "max-unreadable-percent"}
    assert {name: value for name, value in given.items() if name not in general} == told


def test_training_gets_network_parameters_checkpoints_and_its_metrics():
    order = book().training("s3://jobs/prepared.tar.gz")
    assert order.program == DIGITS.training.entry_point
    assert order.channels == (Channel("prepared", "s3://jobs/prepared.tar.gz"),)
    assert order.hyperparameters == {"network": "lenet", **DIGITS.training.hyperparameters}
    assert order.instance_type == DIGITS.training.instance_type
    assert (order.metrics, order.checkpoints) == (METRIC_NAMES, True)


def test_only_a_training_runs_on_spare_machines_and_it_stays_the_same_job():
    spare = book(change(DIGITS, "training", spot=True, spot_wait_seconds=7))
    order = spare.training("s3://p")
    assert (order.spot, order.spot_wait_seconds, order.checkpoints) == (True, 7, True)
    assert order.name(0) == book().training("s3://p").name(0)
    assert not spare.preparation("data", "v" * 64).spot


def test_the_policy_s_machines_are_tried_in_order_and_none_twice():
    others = (Fallback(spot=False), Fallback(instance_type="ml.g5.xlarge"), Fallback(instance_type="ml.m5.large"))
    spare = change(DIGITS, "training", spot=True, fallback=others)
    assert list_offers(spare, Step.TRAIN) == (
        Offer("sagemaker", "ml.m5.large", spot=True),
        Offer("sagemaker", "ml.m5.large"),
        Offer("sagemaker", "ml.g5.xlarge", spot=True),
    )
    assert list_offers(spare, Step.EVALUATE) == (Offer("sagemaker", DIGITS.training.preparation_instance_type),)


def test_a_script_that_writes_no_checkpoints_gets_no_place_for_them():
    assert not book(change(DIGITS, "training", checkpoints=False)).training("s3://p").checkpoints


def test_precision_is_told_when_it_is_not_left_to_the_machine():
    assert "precision" not in book().training("s3://p").hyperparameters
    assert book(change(DIGITS, "training", precision="fp32")).training("s3://p").hyperparameters["precision"] == "fp32"


def test_an_image_of_ones_own_trains_and_another_does_the_rest():
    pipeline = change(DIGITS, "training", image_uri="mine:1", preparation_image_uri="other:1")
    orders = [book(pipeline).training("s3://p"), book(pipeline).preparation("data", "v")]
    assert [order.image_uri for order in orders] == ["mine:1", "other:1"]
    assert book(change(DIGITS, "training", image_uri="mine:1")).preparation("data", "v").image_uri is None


def test_evaluation_binds_both_models_to_their_digests():
    order = book().evaluation("s3://p", Artefact("s3://new", "n1"), Artefact("s3://old", "o1"))
    assert [channel.name for channel in order.channels] == ["prepared", "challenger", "champion"]
    assert order.hyperparameters == {"challenger-sha256": "n1", "champion-sha256": "o1"}
    assert order.metrics == EVALUATION_METRICS


def test_the_first_model_is_evaluated_alone():
    order = book().evaluation("s3://p", Artefact("s3://new", "n1"), None)
    assert [channel.name for channel in order.channels] == ["prepared", "challenger"]
    assert order.hyperparameters == {"challenger-sha256": "n1"}


def test_another_run_finds_the_same_job_and_a_forced_one_does_not():
    mine, theirs = book().training("s3://p"), book(run_id="r2").training("s3://p")
    assert mine.name(1) == theirs.name(1)
    assert mine.tags != theirs.tags
    assert book(force_nonce="n").training("s3://p").name(1) != mine.name(1)


@pytest.mark.parametrize(
    "other",
    [
        book(code_uri="s3://jobs/code/d.tar.gz").training("s3://p"),
        book().training("s3://q"),
        book(change(DIGITS, "training", network="resnet18")).training("s3://p"),
        book(change(DIGITS, "training", instance_type="ml.p3.2xlarge")).training("s3://p"),
        book().evaluation("s3://p", Artefact("s3://new", "n1"), None),
    ],
)
def test_other_work_is_another_job(other):
    assert other.name(1) != book().training("s3://p").name(1)


def test_a_training_that_begins_with_the_champion_is_told_so_under_the_same_names_before_there_is_one():
    orders = book(change(DIGITS, "training", init_from="champion"))
    first = orders.training("s3://jobs/prepared")
    later = orders.training("s3://jobs/prepared", Artefact("s3://models/digits/1/model.tar.gz", "ab" * 32))
    # A study begins with the one before only if both have the same hyperparameters.
    assert set(first.hyperparameters) == set(later.hyperparameters)
    assert first.hyperparameters["init-from"] == "scratch"
    assert later.hyperparameters["init-from"] == "champion"
    assert [channel.name for channel in first.channels] == ["prepared"]
    assert [channel.name for channel in later.channels] == ["prepared", "champion"]
    assert first.digest != later.digest
