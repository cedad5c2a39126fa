"""Names are pure functions, within AWS's limits, and different for different work."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ratchet import naming
from ratchet.compute.order import Channel, JobOrder

ORDER = JobOrder(
    pipeline="digits",
    step="train",
    program="training/train.py",
    code_uri="s3://jobs/code/a.tar.gz",
    instance_type="ml.m5.large",
    channels=(Channel("prepared", "s3://jobs/x"),),
    hyperparameters={"epochs": 3},
)


@given(st.text(min_size=1, max_size=80), st.sampled_from(["prepare", "train", "evaluate"]), st.integers(0, 99))
def test_a_job_name_keeps_to_sagemakers_letters_and_length(pipeline, step, epoch):
    name = naming.job_name("p" + pipeline, step, "0123456789abcdef", epoch)
    assert len(name) <= 63
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*", name)
    assert name.endswith(f"-{step}-0123456789ab-e{epoch}")


def test_the_same_order_has_the_same_name_whoever_pays():
    import dataclasses

    assert ORDER.name(0) == dataclasses.replace(ORDER, tags={"run": "other"}, attempts=5).name(0)


def test_another_parameter_channel_or_code_is_another_job():
    import dataclasses

    others = [
        dataclasses.replace(ORDER, hyperparameters={"epochs": 4}),
        dataclasses.replace(ORDER, channels=(Channel("prepared", "s3://jobs/y"),)),
        dataclasses.replace(ORDER, code_uri="s3://jobs/code/b.tar.gz"),
        dataclasses.replace(ORDER, force_nonce="again"),
    ]
    assert len({order.name(0) for order in [ORDER, *others]}) == 5


@given(st.lists(st.integers(1, 10**8), min_size=2, max_size=20))
def test_version_keys_sort_by_number(versions):
    assert sorted(map(naming.version_sk, versions)) == [naming.version_sk(version) for version in sorted(versions)]
