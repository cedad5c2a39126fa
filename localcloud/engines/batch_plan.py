"""What a job amounts to: its definition with the overrides of SubmitJob laid over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.confinement import read_ulimits
from localcloud.engines.batch_rule import substitute

_LOG_GROUP = "/aws/batch/job"


@dataclass(frozen=True)
class JobPlan:
    """One job, ready to be run as often as its retries allow.

    Attributes
    ----------
    command
        Empty for the image's own.
    timeout_seconds
        How long an attempt may run; None for no limit.
    retry
        `attempts` and `evaluateOnExit`.
    """

    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    vcpus: float
    memory_mib: int
    gpus: int
    ulimits: Mapping[str, tuple[int, int]]
    role: str | None
    log_group: str
    log_prefix: str
    timeout_seconds: float | None
    retry: Mapping[str, Any]


def plan_job(definition: Any, request: Mapping[str, Any]) -> JobPlan:
    """Return what to run.

    Parameters
    ----------
    definition
        moto's job definition, of the container type.
    request
        The parameters of SubmitJob.
    """
    shape: Mapping[str, Any] = definition.container_properties
    override: Mapping[str, Any] = request.get("containerOverrides") or {}
    needs = {**_requirements(shape), **_requirements(override)}
    parameters = {**definition.parameters, **(request.get("parameters") or {})}
    log = (shape.get("logConfiguration") or {}).get("options") or {}
    timeout = {**(definition.timeout or {}), **(request.get("timeout") or {})}
    return JobPlan(
        image=shape["image"],
        command=tuple(substitute(override.get("command") or shape.get("command") or [], parameters)),
        environment={**_pairs(shape), **_pairs(override)},
        vcpus=float(needs.get("VCPU", 1)),
        memory_mib=int(needs.get("MEMORY", 2048)),
        gpus=int(needs.get("GPU", 0)),
        ulimits=read_ulimits(shape.get("ulimits") or []),
        role=shape.get("jobRoleArn"),
        log_group=log.get("awslogs-group", _LOG_GROUP),
        log_prefix=log.get("awslogs-stream-prefix", definition.name),
        timeout_seconds=float(timeout["attemptDurationSeconds"]) if timeout.get("attemptDurationSeconds") else None,
        retry=request.get("retryStrategy") or definition.retry_strategy or {},
    )


def _requirements(shape: Mapping[str, Any]) -> dict[str, str]:
    """Return what is asked for, also by the names that older definitions use."""
    found = {new: str(shape[old]) for old, new in (("vcpus", "VCPU"), ("memory", "MEMORY")) if shape.get(old)}
    return found | {each["type"]: str(each["value"]) for each in shape.get("resourceRequirements") or []}


def _pairs(shape: Mapping[str, Any]) -> dict[str, str]:
    return {pair["name"]: str(pair.get("value", "")) for pair in shape.get("environment") or []}
