"""The container image of a job: your own, or AWS's MXNet image by the sagemaker package's image URIs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from ratchet.errors import SpecError

VERSION = "1.9.0"
PYTHON = "py38"
# The package's answers, kept beside this file: importing it takes 7 to 9 seconds. `make lock` writes it anew.
TABLE = Path(__file__).with_name("mxnet_images.json")
_GPU_FAMILIES = ("p", "g")


def training_image(region: str, instance_type: str) -> str:
    """URI of AWS's MXNet training image for a region and a machine.

    Raises
    ------
    SpecError
        When AWS has no such image in the region.
    """
    registry = _registries().get(region)
    if registry is None:
        raise SpecError(f"AWS has no MXNet {VERSION} image in {region}: set training.image_uri to your own")
    return f"{registry}/mxnet-training:{VERSION}-{_processor(instance_type)}-{PYTHON}"


def ask_package(region: str, instance_type: str) -> str:
    """The same answer from the package itself; slow."""
    from sagemaker.core import image_uris

    uri: str = image_uris.retrieve(
        "mxnet", region, version=VERSION, py_version=PYTHON, instance_type=instance_type, image_scope="training"
    )
    return uri


def _processor(instance_type: str) -> str:
    return "gpu" if instance_type.removeprefix("ml.").startswith(_GPU_FAMILIES) else "cpu"


@cache
def _registries() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    return table
