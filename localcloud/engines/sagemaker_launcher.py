"""Starts SageMaker's jobs, each in a folder of its own, and ends those that still run."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from pathlib import Path
from typing import Any

import psutil

from localcloud.engine import Host
from localcloud.engines.ecs_port import Ports
from localcloud.engines.sagemaker_site import RunSettings, Site
from localcloud.engines.sagemaker_thread import JobThread

_CLOSE_SECONDS = 10.0


class Launcher:
    """Starts jobs and ends those that still run.

    Parameters
    ----------
    host
        What runs processes.
    settings
        How jobs are run.

    Attributes
    ----------
    ports
        For the models that transform jobs serve.
    """

    def __init__(self, host: Host, settings: RunSettings) -> None:
        self._host = host
        self._settings = settings
        self.ports = Ports()
        self._home = host.home / "sagemaker"
        self._runs: set[JobThread[Any]] = set()
        self._lock = threading.Lock()
        _remove_leftovers(self._home)

    def site(self, name: str, region: str) -> Site:
        """Return where a job of this name is to run."""
        folder = self._home / str(os.getpid()) / f"{name}-{uuid.uuid4().hex[:8]}"
        return Site(self._host, self._settings, folder, region)

    def launch(self, run: JobThread[Any]) -> None:
        """Begin a job."""
        with self._lock:
            self._runs = {found for found in self._runs if not found.ended} | {run}
        run.start()

    def close(self) -> None:
        """End every job at once and wait for their threads."""
        with self._lock:
            runs = list(self._runs)
        for run in runs:
            run.close()
        for run in runs:
            run.join(_CLOSE_SECONDS)


def _remove_leftovers(home: Path) -> None:
    """Remove the folders of a localcloud that was killed: each lies under its process id.

    Ours is one too: in a container every localcloud has the same id.
    """
    for folder in (found for found in home.glob("[0-9]*") if found.name.isdecimal()):
        if int(folder.name) == os.getpid() or not psutil.pid_exists(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)
