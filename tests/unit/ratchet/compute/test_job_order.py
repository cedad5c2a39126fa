"""A job's order, written down and read again."""

from __future__ import annotations

import json

import pytest

from ratchet.compute.order import Channel, JobOrder
from ratchet.errors import ArtefactError

ORDER = JobOrder(
    pipeline="digits",
    step="train",
    program="training/train.py",
    code_uri="s3://jobs/code/c.tar.gz",
    instance_type="ml.m5.large",
    channels=(Channel("prepared", "s3://jobs/p"), Channel("dataset", "s3://data/m.json", manifest=True)),
    hyperparameters={"epochs": 3, "augment": "light", "learning-rate": 0.1, "wide": True},
    metrics=("epoch", "train_loss"),
    checkpoints=True,
    tags={"ratchet:run": "r1"},
    force_nonce="n",
)


def test_an_order_that_was_written_down_is_the_same_order():
    again = JobOrder.from_json(json.loads(json.dumps(ORDER.to_json())))
    assert again == ORDER
    assert again.name(1) == ORDER.name(1)


def test_an_order_of_another_format_is_refused():
    with pytest.raises(ArtefactError, match="format 2"):
        JobOrder.from_json({**ORDER.to_json(), "format": 2})
