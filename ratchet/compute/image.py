"""The container image of a job: your own, or AWS's MXNet image by the sagemaker package's image URIs."""

from __future__ import annotations

import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any

from ratchet.aws import Aws, translate_errors
from ratchet.errors import RatchetError, SpecError

VERSION = "1.9.0"
PYTHON = "py38"
# The package's answers, kept beside this file: importing it takes 7 to 9 seconds. `make lock` writes it anew.
TABLE = Path(__file__).with_name("mxnet_images.json")
_GPU_FAMILIES = ("p", "g")
_TAGGED = re.compile(
    r"(?P<registry>(?P<account>\d{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?)/(?P<name>[a-z0-9._/-]+):(?P<tag>[\w.-]+)"
)
_log = logging.getLogger(__name__)


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


def pin_image(aws: Aws, uri: str | None) -> str | None:
    """An image of ECR by its digest: a tag may mean another image tomorrow, and then the work is other work.

    What is pinned already, lies elsewhere or may not be looked at stays as it is.
    """
    found = _TAGGED.fullmatch(uri or "")
    if found is None:
        return uri
    client: Any = aws.client("ecr")
    name, tag = found["name"], found["tag"]
    try:
        with translate_errors(f"look at the image {uri}"):
            answer = client.describe_images(
                registryId=found["account"], repositoryName=name, imageIds=[{"imageTag": tag}]
            )
    except RatchetError as error:
        _log.warning("the image is known by its tag alone, and a new one of that tag is not told from it: %s", error)
        return uri
    return f"{found['registry']}/{name}@{answer['imageDetails'][0]['imageDigest']}"


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
