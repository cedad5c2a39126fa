"""Checks CreateProcessingJob before anything is started."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_record import Kind
from localcloud.engines.sagemaker_request import check_host_count

PROCESSING = Kind(
    noun="Processing",
    words="processing job",
    resource="processing-job",
    repeated=(
        "ProcessingInputs",
        "ProcessingOutputConfig",
        "ProcessingResources",
        "StoppingCondition",
        "AppSpecification",
        "Environment",
        "NetworkConfig",
        "RoleArn",
        "ExperimentConfig",
    ),
)
FOLDER = "/opt/ml/processing"  # where AWS lets inputs and outputs lie


def check_processing(request: Mapping[str, Any]) -> None:
    """Refuse a request that SageMaker would refuse, or that asks for what localcloud does not do.

    Raises
    ------
    AWSValidationException
        With the first complaint.
    """
    for complaint in _complaints(request):
        raise AWSValidationException(complaint)


def outputs_of(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the outputs that are uploaded: those that the application does not manage itself."""
    outputs = (request.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    return [output for output in outputs if not output.get("AppManaged")]


def inputs_of(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the inputs that are downloaded: those that the application does not manage itself."""
    return [found for found in request.get("ProcessingInputs") or [] if not found.get("AppManaged")]


def _complaints(request: Mapping[str, Any]) -> Iterator[str]:
    if not request.get("RoleArn"):
        yield "RoleArn must be given."
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if not cluster.get("InstanceCount") or not cluster.get("InstanceType"):
        yield "localcloud needs the InstanceCount and the InstanceType of a processing job's ClusterConfig."
    yield from check_host_count(cluster.get("InstanceCount") or 1)
    for what, found, name in (
        ("input", request.get("ProcessingInputs") or [], "InputName"),
        ("output", (request.get("ProcessingOutputConfig") or {}).get("Outputs") or [], "OutputName"),
    ):
        names = [entry[name] for entry in found]
        if len(set(names)) < len(names):
            yield f"The names of a processing job's {what}s must be unique."
    for entry in inputs_of(request):
        yield from _check_input(entry)
    for entry in outputs_of(request):
        yield from _check_place(entry["OutputName"], entry.get("S3Output"), "S3Output")


def _check_input(entry: Mapping[str, Any]) -> Iterator[str]:
    source = entry.get("S3Input")
    yield from _check_place(entry["InputName"], source, "S3Input")
    if source and (source.get("S3InputMode", "File") != "File" or source.get("S3CompressionType", "None") != "None"):
        yield f"localcloud offers neither Pipe mode nor S3CompressionType Gzip (input {entry['InputName']})."


def _check_place(name: str, place: Mapping[str, Any] | None, member: str) -> Iterator[str]:
    if not place:
        yield f"localcloud moves data from and to S3 alone: {name} has no {member}."
        return
    path = place.get("LocalPath") or ""
    if not path.startswith(f"{FOLDER}/") or ".." in path.split("/"):
        yield f"LocalPath of {name} must be an absolute path below {FOLDER}/, not {path!r}."
    if not re.fullmatch(r"s3://[^/]+(/.*)?", place["S3Uri"]):
        yield f"The S3Uri {place['S3Uri']!r} of {name} is not a valid S3 URI: s3://bucket/prefix is expected."
