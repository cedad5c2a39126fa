"""The folder that stands for a training container's /opt/ml, and the command and environment that run in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.machine_type import find_shape
from localcloud.process import Command, base_environment
from localcloud.runtime import Runtime

HOST_NAME = "localhost"  # the toolkit waits until every host's name resolves
_CONTAINER_BASE = "/opt/ml"
_GROUP = "homogeneousCluster"
_INIT = Path(__file__).with_name("sagemaker_init.py")


@dataclass(frozen=True)
class Layout:
    """Paths of one job. `root` holds everything and is removed after the job."""

    root: Path

    @property
    def base(self) -> Path:
        """What SAGEMAKER_BASE_DIR names; /opt/ml in a container."""
        return self.root / "opt" / "ml"

    @property
    def model(self) -> Path:
        """Becomes model.tar.gz."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """Becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """Where the job says why it failed."""
        return self.base / "output" / "failure"

    def channel(self, name: str) -> Path:
        """Where a channel's objects lie."""
        return self.base / "input" / "data" / name

    def checkpoints(self, local_path: str | None = None) -> Path:
        """Where checkpoints lie, for CheckpointConfig's LocalPath (`/opt/ml/checkpoints` by default)."""
        inside = (local_path or f"{_CONTAINER_BASE}/checkpoints").removeprefix(_CONTAINER_BASE).strip("/")
        found = (self.base / inside).resolve()
        return found if found.is_relative_to(self.base.resolve()) else self.base / "checkpoints"

    def read_failure(self) -> str:
        """Return what the job says about why it failed, or nothing."""
        return self.failure.read_text("utf-8", errors="replace").strip() if self.failure.is_file() else ""

    def prepare(self, request: Mapping[str, Any]) -> None:
        """Make the folders and write the three files of /opt/ml/input/config."""
        config = self.base / "input" / "config"
        for folder in (config, self.base / "input" / "data", self.model, self.output_data, self.root / "tmp"):
            folder.mkdir(parents=True)
        for name, content in (
            ("hyperparameters", dict(request.get("HyperParameters") or {})),
            ("inputdataconfig", _describe_channels(request)),
            ("resourceconfig", _describe_resources(request)),
        ):
            (config / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def make_command(layout: Layout, runtime: Runtime, job: Mapping[str, str], request: Mapping[str, Any]) -> Command:
    """Return what to run.

    Parameters
    ----------
    layout
        The job's folders.
    runtime
        What stands in for the training image.
    job
        Variables that every job gets: where AWS is, and the job's name.
    request
        The parameters of CreateTrainingJob.

    Raises
    ------
    JobFailure
        When the image's toolkit is not installed here.
    """
    environment = {
        **base_environment(),
        **runtime.environment(),
        "HOME": str(layout.root),
        "TMPDIR": str(layout.root / "tmp"),
        **job,
        **(request.get("Environment") or {}),
        "SAGEMAKER_BASE_DIR": str(layout.base),
    }
    environment["PATH"] = os.pathsep.join((str(runtime.python.parent), environment["PATH"]))
    shape = find_shape(request["ResourceConfig"].get("InstanceType", ""))
    return Command(
        argv=_argv(runtime, request["AlgorithmSpecification"]),
        environment=environment,
        cwd=layout.base,
        cpus=shape.cpus if shape else None,
        memory_mib=shape.memory_mib if shape else None,
    )


def _argv(runtime: Runtime, algorithm: Mapping[str, Any]) -> tuple[str, ...]:
    entry_point = [*(algorithm.get("ContainerEntrypoint") or []), *(algorithm.get("ContainerArguments") or [])]
    if entry_point or runtime.command:
        return runtime.argv(entry_point)
    train = runtime.python.with_name("train")
    if not train.is_file():
        raise JobFailure(
            "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are "
            f"incorrect. (sagemaker-training is not installed: there is no {train})"
        )
    return (str(runtime.python), str(_INIT), str(train))


def _describe_channels(request: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for channel in request.get("InputDataConfig") or []:
        source = channel["DataSource"]["S3DataSource"]
        described = {
            "TrainingInputMode": "File",
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if channel.get("ContentType"):
            described["ContentType"] = channel["ContentType"]
        found[channel["ChannelName"]] = described
    return found


def _describe_resources(request: Mapping[str, Any]) -> dict[str, Any]:
    instance_type = request["ResourceConfig"].get("InstanceType", "local")
    group = {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [HOST_NAME]}
    return {
        "current_host": HOST_NAME,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": [HOST_NAME],
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
