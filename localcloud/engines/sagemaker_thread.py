"""A job under way, on a thread of its own: what training, processing, transform and tuning jobs have in common."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar

from localcloud.engines.sagemaker_cluster import Cluster, EndedBy, Interrupted
from localcloud.engines.sagemaker_failure import JobFailure
from localcloud.engines.sagemaker_site import Site

_FOREVER_SECONDS = 3600.0  # how long to sleep when nothing but an event can change anything
_BROKEN = "InternalServerError: We encountered an internal error. localcloud's own log says why."

_NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity. Please retry using a different ML instance type."
)

_log = logging.getLogger(__name__)

End = TypeVar("End")


class Running(Protocol):
    """The record of a job that a thread keeps up to date."""

    wake: threading.Event

    @property
    def name(self) -> str:
        """Unique among its kind."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""

    @property
    def stop_requested(self) -> bool:
        """Whether its Stop call was made."""

    def finish(self, ending: Any, /) -> None:
        """End the job."""


class JobThread(ABC, Generic[End]):
    """One job under way; a kind of job says what is done and how it ends.

    Parameters
    ----------
    job
        The record to keep up to date.
    site
        Where it runs.
    """

    def __init__(self, job: Running, site: Site) -> None:
        self._job = job
        self.site = site
        self.deadline = float("inf")  # of the monotonic clock
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"job-{job.name}", daemon=True)

    def require_capacity(self) -> None:
        """Raise `JobFailure` when a fault has it that there is no machine for this job."""
        if self.site.host.is_doomed(self._job.name):
            raise JobFailure(_NO_CAPACITY)

    @abstractmethod
    def carry_out(self) -> End:
        """Do the work; `JobFailure` and `Interrupted` end it early."""

    @abstractmethod
    def fail(self, reason: str) -> End:
        """Return the ending of a job that failed."""

    @abstractmethod
    def end_early(self, ended_by: EndedBy) -> End:
        """Return the ending of a job that was ended while no process of it ran."""

    @property
    def ended(self) -> bool:
        """Whether the job has ended."""
        return self._job.ended

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the job at once, without a grace period; it has failed."""
        self._closing.set()
        self._job.wake.set()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the thread."""
        self._thread.join(timeout_seconds)

    def is_closing(self) -> bool:
        """Whether localcloud ends."""
        return self._closing.is_set()

    def reason_to_stop(self) -> EndedBy | None:
        """Return why the job must end now, or None."""
        if self._closing.is_set() or self._job.stop_requested:
            return EndedBy.STOP
        return EndedBy.TIMEOUT if time.monotonic() > self.deadline else None

    def announce_stop(self, why: EndedBy) -> None:
        """Tell pollers that the processes are about to be ended."""

    def look(self) -> None:
        """Do what is done from time to time while the processes run."""

    def patience_seconds(self) -> float:
        """Return how long to sleep at most when nothing wakes us."""
        return min(_FOREVER_SECONDS, self.deadline - time.monotonic())

    def pause(self) -> None:
        """Raise `Interrupted` when there is a reason to end; called between the steps of the work."""
        found = self.reason_to_stop()
        if found is not None:
            raise Interrupted(found)

    def require_open(self) -> None:
        """Raise `JobFailure` when localcloud ends: what has been made is not to be taken for a result."""
        if self._closing.is_set():
            raise JobFailure("InternalServerError: localcloud was closed while the job ran")

    def cluster(self) -> Cluster:
        """Return what runs this job's processes."""
        return Cluster(self.site.host.supervisor, self._job.wake, self.site.settings.stop_grace_seconds)

    def _run(self) -> None:
        try:
            self.require_capacity()
            ending = self.carry_out()
        except JobFailure as failure:
            ending = self.fail(str(failure))
        except Interrupted as interrupted:
            ending = self.end_early(interrupted.ended_by)
        except Exception:  # noqa: BLE001 - the edge of this thread; the job must not hang in progress for ever
            _log.exception("the job %s broke down", self._job.name)
            ending = self.fail(_BROKEN)
        if not self.site.settings.keep_jobs:
            shutil.rmtree(self.site.folder, ignore_errors=True)
        self._job.finish(ending)
