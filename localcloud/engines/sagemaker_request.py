"""Checks CreateTrainingJob before anything is started, and says what is wrong as SageMaker says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from moto.sagemaker.exceptions import AWSValidationException

_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
_NAME_LIMIT = 63
_ROLE = r"arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
_CHANNEL_NAME = r"[A-Za-z0-9.\-_]+"
_VARIABLE_NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
_HYPERPARAMETER_LIMITS = (100, 256, 2500)  # entries, letters of a key, letters of a value
_ENVIRONMENT_LIMITS = (100, 512, 512)
_LONGEST_RUN_SECONDS = 28 * 86_400
_MOST_HOSTS = 20
_INPUT_MODES = ("File", "FastFile")  # FastFile shows the same files; it only fetches them later
_DATA_TYPES = ("S3Prefix", "ManifestFile")


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse a request that SageMaker would refuse, or that asks for what localcloud does not do.

    Raises
    ------
    AWSValidationException
        With every violation in its message.
    """
    violations = [*_check_constraints(request)]
    if violations:
        plural = "error" if len(violations) == 1 else "errors"
        raise AWSValidationException(f"{len(violations)} validation {plural} detected: {'; '.join(violations)}")
    for complaint in _check_meaning(request):
        raise AWSValidationException(complaint)


def _check_constraints(request: Mapping[str, Any]) -> Iterator[str]:
    yield from _text(request.get("TrainingJobName"), "trainingJobName", _NAME, _NAME_LIMIT)
    yield from _text(request.get("RoleArn"), "roleArn", _ROLE, 2048)
    for name in ("AlgorithmSpecification", "OutputDataConfig", "ResourceConfig", "StoppingCondition"):
        if not request.get(name):
            yield _violation("null", name[0].lower() + name[1:], "Member must not be null")
    yield from _table(request.get("HyperParameters"), "hyperParameters", _HYPERPARAMETER_LIMITS, ".*")
    yield from _table(request.get("Environment"), "environment", _ENVIRONMENT_LIMITS, _VARIABLE_NAME)
    channels = request.get("InputDataConfig") or []
    if len(channels) > 20:
        yield _violation(channels, "inputDataConfig", "Member must have length less than or equal to 20")
    for index, channel in enumerate(channels, 1):
        where = f"inputDataConfig.{index}.member.channelName"
        yield from _text(channel.get("ChannelName"), where, _CHANNEL_NAME, 64)


def _check_meaning(request: Mapping[str, Any]) -> Iterator[str]:
    yield from _check_algorithm(request["AlgorithmSpecification"])
    yield from _check_channels(request.get("InputDataConfig") or [])
    yield from _check_time(request["StoppingCondition"], spot=bool(request.get("EnableManagedSpotTraining")))
    yield from check_host_count(request["ResourceConfig"].get("InstanceCount") or 1)
    for where, holder in (("S3OutputPath", "OutputDataConfig"), ("S3Uri", "CheckpointConfig")):
        uri = (request.get(holder) or {}).get(where)
        if uri is not None and not re.fullmatch(r"s3://[^/]+(/.*)?", uri):
            yield f"The {holder} {where} {uri!r} is not a valid S3 URI: s3://bucket/prefix is expected."
    keys = [tag.get("Key", "") for tag in request.get("Tags") or []]
    yield from (f"Duplicate tag key found: {key}" for key in sorted(set(keys)) if keys.count(key) > 1)


def check_host_count(count: int) -> Iterator[str]:
    """Yield what is wrong with a number of instances."""
    if count > _MOST_HOSTS:
        yield f"localcloud runs at most {_MOST_HOSTS} instances for one job, not {count}."


def _check_time(condition: Mapping[str, int], *, spot: bool) -> Iterator[str]:
    runtime = condition.get("MaxRuntimeInSeconds")
    if runtime is None or not 1 <= runtime <= _LONGEST_RUN_SECONDS:
        yield f"MaxRuntimeInSeconds must be between 1 and {_LONGEST_RUN_SECONDS}, not {runtime}."
    elif spot and condition.get("MaxWaitTimeInSeconds", 0) < runtime:
        yield "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"


def _check_algorithm(algorithm: Mapping[str, Any]) -> Iterator[str]:
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        yield "You must specify either a training image or an algorithm name, and not both."
    if algorithm.get("AlgorithmName"):
        yield "localcloud runs training images; algorithms of the marketplace (AlgorithmName) run on AWS alone."
    mode = algorithm.get("TrainingInputMode", "File")
    if mode not in _INPUT_MODES:
        yield f"localcloud offers the TrainingInputMode {' and '.join(_INPUT_MODES)}, not {mode}."
    definitions = algorithm.get("MetricDefinitions") or []
    names = [definition["Name"] for definition in definitions]
    if len(names) > 40 or len(set(names)) < len(names):
        yield "MetricDefinitions must have at most 40 entries, with different names."
    for definition in definitions:
        try:
            re.compile(definition["Regex"])
        except re.error as error:
            yield f"Invalid regular expression for the metric {definition['Name']}: {definition['Regex']} ({error})"


def _check_channels(channels: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) < len(names):
        yield "Channel names must be unique within a training job."
    for channel in channels:
        name = channel["ChannelName"]
        source = (channel.get("DataSource") or {}).get("S3DataSource")
        if name in {".", ".."}:
            yield f"{name} cannot be the name of a channel."
        elif not source:
            yield f"localcloud reads channels from S3 alone: the channel {name} has no S3DataSource."
        elif source.get("S3DataType") not in _DATA_TYPES:
            yield f"localcloud reads the S3DataType {' and '.join(_DATA_TYPES)}, not {source.get('S3DataType')}."
        elif channel.get("InputMode", "File") not in _INPUT_MODES or channel.get("CompressionType", "None") != "None":
            yield f"localcloud offers neither Pipe mode nor CompressionType Gzip (channel {name})."


def _table(
    table: Mapping[str, str] | None, where: str, limits: tuple[int, int, int], key_pattern: str
) -> Iterator[str]:
    entries, key_limit, value_limit = limits
    found = table or {}
    if len(found) > entries:
        yield _violation(found, where, f"Member must have length less than or equal to {entries}")
    for key, value in found.items():
        yield from _text(key, f"{where}.{key}.key", key_pattern, key_limit)
        yield from _text(value, f"{where}.{key}.value", r"[\s\S]*", value_limit)


def _text(value: str | None, where: str, pattern: str, limit: int) -> Iterator[str]:
    if value is None:
        yield _violation("null", where, "Member must not be null")
    elif len(value) > limit:
        yield _violation(value, where, f"Member must have length less than or equal to {limit}")
    elif not re.fullmatch(pattern, value):
        yield _violation(value, where, f"Member must satisfy regular expression pattern: ^{pattern}")


def _violation(value: Any, where: str, rule: str) -> str:
    return f"Value '{value}' at '{where}' failed to satisfy constraint: {rule}"
