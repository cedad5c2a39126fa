"""What one container of a task definition amounts to on this machine: a command, an environment, a limit, a log."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.confinement import read_ulimits
from localcloud.runtime import Runtime

_STOP_TIMEOUT_SECONDS = 30.0
_LOOPBACK = r"(localhost|127\.0\.0\.1|0\.0\.0\.0)"
_CPU_UNITS = 1024
_VCPU = re.compile(r"^\s*([\d.]+)\s*vCPU\s*$", re.IGNORECASE)
_GIB = re.compile(r"^\s*([\d.]+)\s*GB\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class LogTarget:
    """Where a container's output goes: a group, and the beginning of the stream's name."""

    group: str
    prefix: str
    region: str
    create_group: bool


@dataclass(frozen=True)
class ContainerCheck:
    """A container's own health check: a command that ends with 0 when all is well."""

    command: tuple[str, ...]
    interval_seconds: float
    timeout_seconds: float
    retries: int
    start_seconds: float


@dataclass(frozen=True)
class ContainerPlan:
    """One container, ready to be started.

    Attributes
    ----------
    argv
        Command; empty when neither the definition nor the image names one.
    environment
        What the definition, the image and ECS set; PORT is the local port that stands for the container's.
    ports
        Local port by container port.
    memory_mib
        Hard limit, None for none.
    cpus
        CPUs that it may use, None for all.
    ulimits
        Soft and hard limits of each process, by name.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    ports: Mapping[int, int]
    memory_mib: int | None
    cpus: float | None
    ulimits: Mapping[str, tuple[int, int]]
    essential: bool
    stop_timeout_seconds: float
    log: LogTarget | None
    check: ContainerCheck | None


@dataclass(frozen=True)
class Surroundings:
    """What ECS gives every container of a task: variables, the task's memory and CPU, and the ports taken for it."""

    environment: Mapping[str, str]
    region: str
    memory: str | int | None
    cpu: str | int | None
    ports: Mapping[int, int]


def plan_container(
    definition: Mapping[str, Any], override: Mapping[str, Any], runtime: Runtime, surroundings: Surroundings
) -> ContainerPlan:
    """Read a container definition, as RegisterTaskDefinition takes it, with a task's override laid over it."""
    ports = {port: surroundings.ports[port] for port in container_ports(definition)}
    memory = override.get("memory") or definition.get("memory") or surroundings.memory
    environment = _environment(definition, override, runtime, surroundings.environment)
    if ports:
        # Set last: on AWS every task has its own address, here only its own port tells it from the others.
        environment["PORT"] = str(next(iter(ports.values())))
    return ContainerPlan(
        name=definition["name"],
        argv=_argv(definition, override, runtime),
        environment=environment,
        ports=ports,
        memory_mib=read_memory(memory),
        cpus=read_cpus(surroundings.cpu),
        ulimits=read_ulimits(definition.get("ulimits") or []),
        essential=bool(definition.get("essential", True)),
        stop_timeout_seconds=float(definition.get("stopTimeout") or _STOP_TIMEOUT_SECONDS),
        log=_log_target(definition.get("logConfiguration"), surroundings.region),
        check=_check(definition.get("healthCheck"), runtime, ports),
    )


def container_ports(definition: Mapping[str, Any]) -> list[int]:
    """Return the container ports of a definition, in its order."""
    return [int(mapping["containerPort"]) for mapping in definition.get("portMappings") or []]


def read_memory(value: str | int | None) -> int | None:
    """Return MiB from what a definition says: 512, "512" or "1 GB"."""
    if value in {None, ""}:
        return None
    gib = _GIB.match(str(value))
    return int(float(gib[1]) * 1024) if gib else int(str(value))


def read_cpus(value: str | int | None) -> float | None:
    """Return CPUs from what a definition says: 256, "256" or ".25 vCPU"; None where it says nothing."""
    if value in {None, "", "0", 0}:
        return None
    whole = _VCPU.match(str(value))
    return float(whole[1]) if whole else int(str(value)) / _CPU_UNITS


def _argv(definition: Mapping[str, Any], override: Mapping[str, Any], runtime: Runtime) -> tuple[str, ...]:
    command = override.get("command") or definition.get("command") or []
    entry_point = definition.get("entryPoint") or []
    return runtime.argv([str(part) for part in (*entry_point, *command)])


def _environment(
    definition: Mapping[str, Any], override: Mapping[str, Any], runtime: Runtime, given: Mapping[str, str]
) -> dict[str, str]:
    # A shell in the container finds the image's interpreter as `python`.
    path = os.pathsep.join([str(runtime.python.parent), given.get("PATH", os.defpath)])
    return {**given, "PATH": path, **runtime.environment(), **_pairs(definition), **_pairs(override)}


def _pairs(source: Mapping[str, Any]) -> dict[str, str]:
    return {pair["name"]: str(pair.get("value", "")) for pair in source.get("environment") or []}


def _log_target(configuration: Mapping[str, Any] | None, region: str) -> LogTarget | None:
    if not configuration or configuration.get("logDriver") != "awslogs":
        return None
    options = configuration.get("options") or {}
    return LogTarget(
        group=options["awslogs-group"],
        prefix=options.get("awslogs-stream-prefix", ""),
        region=options.get("awslogs-region", region),
        create_group=str(options.get("awslogs-create-group", "false")).lower() == "true",
    )


def _check(shape: Mapping[str, Any] | None, runtime: Runtime, ports: Mapping[int, int]) -> ContainerCheck | None:
    command: Sequence[str] = (shape or {}).get("command") or []
    if shape is None or not command or command[0] == "NONE":
        return None
    words = [_relocate(word, ports) for word in command[1:]]
    argv = ("/bin/sh", "-c", " ".join(words)) if command[0] == "CMD-SHELL" else runtime.argv(words)
    return ContainerCheck(
        command=argv,
        interval_seconds=float(shape.get("interval") or 30),
        timeout_seconds=float(shape.get("timeout") or 5),
        retries=int(shape.get("retries") or 3),
        start_seconds=float(shape.get("startPeriod") or 0),
    )


def _relocate(word: str, ports: Mapping[int, int]) -> str:
    # `curl http://localhost:8080/ping` means the container's port, which is another one here.
    for container_port, local_port in ports.items():
        word = re.sub(rf"{_LOOPBACK}:{container_port}\b", rf"\1:{local_port}", word)
    return word
