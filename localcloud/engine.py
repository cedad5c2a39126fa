"""What an engine is: the part of localcloud that really does the work behind one service's calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from localcloud.metric import Metrics
from localcloud.process import Supervisor
from localcloud.runtime import Runtimes
from localcloud.spot import SpotDesk


def _nobody(_job: str) -> bool:
    return False


@dataclass(frozen=True)
class Host:
    """What an engine gets from the server that runs it.

    Attributes
    ----------
    supervisor
        Starts and ends child processes.
    runtimes
        What stands in for container images.
    home
        Folder for scratch files; it exists.
    endpoint_url
        Where children reach AWS, for example `http://localhost:4566`.
    region
        The region of what runs without a request of its own.
    spot
        Where an engine says whom it can tell that its Spot capacity goes.
    metrics
        Where engines count what they do; CloudWatch answers from it.
    is_doomed
        Whether a job of SageMaker is to find no machine, by its name.
    """

    supervisor: Supervisor
    runtimes: Runtimes
    home: Path
    endpoint_url: str
    region: str
    spot: SpotDesk = field(default_factory=SpotDesk)
    metrics: Metrics = field(default_factory=Metrics)
    is_doomed: Callable[[str], bool] = _nobody


class Engine(Protocol):
    """Hooks into moto once, before the first request, and lets go at the end."""

    name: str

    def install(self, host: Host) -> None:
        """Replace moto's backend classes and add what its response classes lack."""

    def resume(self) -> None:
        """Take up what an earlier localcloud left: moto's state is back, and none of its processes is."""

    def close(self) -> None:
        """End threads and servers, free ports, undo what `install` changed. Children are the supervisor's."""
