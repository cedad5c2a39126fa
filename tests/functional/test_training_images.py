"""The table of AWS's MXNet images says what SageMaker's own package says, in every region."""

from __future__ import annotations

import json

import pytest

from ratchet.compute.image import TABLE, VERSION, ask_package, training_image
from ratchet.errors import SpecError

REGIONS = sorted(json.loads(TABLE.read_text("utf-8")))


def test_the_table_holds_every_region_of_the_package():
    from sagemaker.core import image_uris

    config = image_uris.config_for_framework("mxnet")
    assert sorted(config["training"]["versions"][VERSION]["registries"]) == REGIONS


@pytest.mark.parametrize("region", REGIONS)
def test_the_table_agrees_with_the_package_in_every_region(region):
    assert training_image(region, "ml.m5.large") == ask_package(region, "ml.m5.large")


@pytest.mark.parametrize("machine", ["ml.c5.xlarge", "ml.t3.medium", "ml.p3.2xlarge", "ml.p2.xlarge", "ml.g4dn.xlarge"])
def test_the_processor_of_a_machine_is_the_packages(machine):
    assert training_image("us-east-1", machine) == ask_package("us-east-1", machine)


def test_a_region_without_the_image_is_refused_with_the_way_out():
    with pytest.raises(SpecError, match=r"training\.image_uri"):
        training_image("mars-north-1", "ml.m5.large")
