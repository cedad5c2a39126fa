"""Checks CreateTransformJob before anything is started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_record import Kind

TRANSFORM = Kind(
    noun="Transform",
    words="transform job",
    resource="transform-job",
    repeated=(
        "ModelName",
        "MaxConcurrentTransforms",
        "ModelClientConfig",
        "MaxPayloadInMB",
        "BatchStrategy",
        "Environment",
        "TransformInput",
        "TransformOutput",
        "TransformResources",
        "DataProcessing",
        "ExperimentConfig",
    ),
)
DEFAULT_PAYLOAD_MB = 6
_LARGEST_BATCH_MB = 100  # payloads in flight together
_DATA_TYPES = ("S3Prefix", "ManifestFile")


def check_transform(request: Mapping[str, Any], model: Any) -> None:
    """Refuse a request that SageMaker would refuse, or that asks for what localcloud does not do.

    Parameters
    ----------
    request
        The parameters of CreateTransformJob.
    model
        Moto's record of the model.

    Raises
    ------
    AWSValidationException
        With the first complaint.
    """
    for complaint in (*_check_model(model), *_check_data(request), *_check_size(request)):
        raise AWSValidationException(complaint)


def container_of(model: Any) -> Mapping[str, Any]:
    """Return the definition of a model's one container."""
    definition: Mapping[str, Any] = model.primary_container or next(iter(model.containers), {})
    return definition


def _check_model(model: Any) -> Iterator[str]:
    container = container_of(model)
    if len(model.containers or []) > 1:
        yield f"localcloud serves models with one container: {model.model_name} is a pipeline of several."
    elif not container.get("Image"):
        yield f"localcloud serves container images: the container of {model.model_name} names no Image."
    elif container.get("ModelDataSource") or container.get("Mode") == "MultiModel":
        yield f"localcloud serves models with a ModelDataUrl or without data: {model.model_name} has another kind."


def _check_data(request: Mapping[str, Any]) -> Iterator[str]:
    given, target = request["TransformInput"], request["TransformOutput"]
    source = given["DataSource"]["S3DataSource"]
    if source.get("S3DataType") not in _DATA_TYPES:
        yield f"localcloud reads the S3DataType {' and '.join(_DATA_TYPES)}, not {source.get('S3DataType')}."
    if given.get("SplitType", "None") not in {"None", "Line"}:
        yield f"localcloud splits by None and Line, not by {given['SplitType']}."
    for uri in (source["S3Uri"], target["S3OutputPath"]):
        if not re.fullmatch(r"s3://[^/]+(/.*)?", uri):
            yield f"{uri!r} is not a valid S3 URI: s3://bucket/prefix is expected."
    shaping = request.get("DataProcessing") or {}
    filters = {shaping.get("InputFilter", "$"), shaping.get("OutputFilter", "$")}
    if filters != {"$"} or shaping.get("JoinSource", "None") != "None":
        yield "localcloud does not offer DataProcessing: it sends each record as it is, and keeps the answer as it is."
    if request.get("DataCaptureConfig"):
        yield "localcloud does not offer DataCaptureConfig."


def _check_size(request: Mapping[str, Any]) -> Iterator[str]:
    payload = request.get("MaxPayloadInMB", DEFAULT_PAYLOAD_MB)
    together = (request.get("MaxConcurrentTransforms") or 1) * payload
    if payload > _LARGEST_BATCH_MB or together > _LARGEST_BATCH_MB:
        yield (
            f"MaxConcurrentTransforms times MaxPayloadInMB must not be greater than {_LARGEST_BATCH_MB} MB: "
            f"it is {together} MB."
        )
