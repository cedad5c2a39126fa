"""The folder that stands for a training container's /opt/ml, and the command and environment that run in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.runtime import Runtime

CONTAINER_BASE = "/opt/ml"
_GROUP = "homogeneousCluster"
_INIT = Path(__file__).with_name("sagemaker_init.py")


@dataclass(frozen=True)
class Layout:
    """Paths of one host of a job. `root` holds everything and is removed after the job.

    Attributes
    ----------
    root
        The host's own folder; it need not exist yet.
    host
        The host's name. Whoever reads it, the toolkit for one, waits until it resolves.
    hosts
        The names of all of the job's hosts.
    """

    root: Path
    host: str = "localhost"
    hosts: Sequence[str] = ("localhost",)

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
        return self.locate(local_path or "") or self.base / "checkpoints"

    def locate(self, container_path: str) -> Path | None:
        """Return what stands for a path below /opt/ml in a container; None for one that lies elsewhere."""
        if container_path != CONTAINER_BASE and not container_path.startswith(f"{CONTAINER_BASE}/"):
            return None
        found = (self.base / container_path.removeprefix(CONTAINER_BASE).strip("/")).resolve()
        return found if found.is_relative_to(self.base.resolve()) else None

    def translate(self, text: str) -> str:
        """Return a word of a command or an environment; one that is a path below /opt/ml names the folder here."""
        found = self.locate(text)
        return text if found is None else str(found)

    def prepare(self, request: Mapping[str, Any]) -> None:
        """Make the folders and write the three files of /opt/ml/input/config."""
        config = self.base / "input" / "config"
        for folder in (config, self.base / "input" / "data", self.model, self.output_data, self.root / "tmp"):
            folder.mkdir(parents=True)
        for name, content in (
            ("hyperparameters", dict(request.get("HyperParameters") or {})),
            ("inputdataconfig", _describe_channels(request)),
            ("resourceconfig", describe_resources(self, request["ResourceConfig"].get("InstanceType", "local"))),
        ):
            (config / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def training_argv(runtime: Runtime, algorithm: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Return what `docker run <image> train` would run.

    Parameters
    ----------
    runtime
        What stands in for the training image.
    algorithm
        The request's AlgorithmSpecification.
    path
        PATH in the container.

    Raises
    ------
    JobFailure
        When the image's `train` is not installed here.
    """
    entry_point = [*(algorithm.get("ContainerEntrypoint") or []), *(algorithm.get("ContainerArguments") or [])]
    if entry_point or runtime.command:
        return runtime.argv(entry_point)
    toolkit = runtime.python.with_name("train")
    if toolkit.is_file():
        return (str(runtime.python), str(_INIT), str(toolkit))
    own = shutil.which("train", path=path)
    if own is None:
        raise JobFailure(
            "ClientError: Cannot pull algorithm container. Either the image does not exist or its permissions are "
            f"incorrect. (there is no `train` on its PATH, and sagemaker-training is not installed: no {toolkit})"
        )
    return (own,)


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


def describe_resources(layout: Layout, instance_type: str) -> dict[str, Any]:
    """Return what resourceconfig.json says on one of a job's hosts."""
    hosts = list(layout.hosts)
    return {
        "current_host": layout.host,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": hosts,
        "instance_groups": [{"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": hosts}],
        "network_interface_name": "lo",
    }
