"""Where a job runs: its folder, its region, and what every container of SageMaker finds in its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from moto.core import DEFAULT_ACCOUNT_ID

from localcloud.credentials import issue_credentials
from localcloud.engine import Host
from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.engines.sagemaker_layout import Layout
from localcloud.machine_type import find_shape
from localcloud.process import base_environment
from localcloud.runtime import ImageNotFound, Runtime


class MachineLimits(TypedDict):
    """What a command may use of this machine."""

    cpus: float | None
    memory_mib: int | None


def limits_of(instance_type: str) -> MachineLimits:
    """Return what a machine of this type has; no limits for a type that nobody knows."""
    shape = find_shape(instance_type)
    return MachineLimits(cpus=shape.cpus if shape else None, memory_mib=shape.memory_mib if shape else None)


@dataclass(frozen=True)
class RunSettings:
    """How jobs are run.

    Attributes
    ----------
    stop_grace_seconds
        Between SIGTERM and SIGKILL; 120 on AWS.
    checkpoint_look_seconds
        Between two looks at what a running job uploads continuously: checkpoints and continuous outputs.
    ping_seconds
        How long a model may take until its `/ping` answers 200; half an hour on AWS.
    keep_jobs
        Whether jobs' folders stay after their end.
    """

    stop_grace_seconds: float = 120.0
    checkpoint_look_seconds: float = 1.0
    ping_seconds: float = 1800.0
    keep_jobs: bool = False


@dataclass(frozen=True)
class Site:
    """What one job gets from localcloud.

    Attributes
    ----------
    host
        What runs processes.
    settings
        Grace periods and the like.
    folder
        The job's own folder; it does not exist yet.
    region
        The job's region.
    """

    host: Host
    settings: RunSettings
    folder: Path
    region: str

    def environment(self, home: Path, role: str) -> dict[str, str]:
        """Return the variables that say where AWS is, whose role calls it, and that `home` is the container's own."""
        return {
            **base_environment(),
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "AWS_ENDPOINT_URL": self.host.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            **issue_credentials(DEFAULT_ACCOUNT_ID, region=self.region, session="SageMaker", role=role),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def container(self, layout: Layout, runtime: Runtime, *, role: str, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a container that is given some variables; paths below /opt/ml are translated."""
        environment = {
            **self.environment(layout.root, role),
            **runtime.environment(),
            **{name: layout.translate(value) for name, value in given.items()},
            "SAGEMAKER_BASE_DIR": str(layout.base),
        }
        environment["PATH"] = os.pathsep.join((str(runtime.python.parent), environment["PATH"]))
        return environment

    def resolve_image(self, image: str, reason: str) -> Runtime:
        """Return what stands in for an image.

        Raises
        ------
        JobFailure
            When nothing does: `reason` as AWS words it, then the table to add the image to.
        """
        try:
            return self.host.runtimes.resolve(image)
        except ImageNotFound as error:
            raise JobFailure(f"{reason} ({error})") from error
