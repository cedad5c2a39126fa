"""One processing or transform job's record: its status, its times, and what Describe and List say about it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """A job's status, in SageMaker's words."""

    IN_PROGRESS = "InProgress"
    STOPPING = "Stopping"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"


def now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Kind:
    """A kind of job, as its calls name its members.

    Attributes
    ----------
    noun
        `Processing` or `Transform`: what the names of members begin with.
    words
        How messages call the job.
    resource
        Its kind in an ARN.
    repeated
        Members of the request that Describe repeats.
    """

    noun: str
    words: str
    resource: str
    repeated: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, why it failed, and what else Describe and List say from then on."""

    status: Status
    failure_reason: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


class JobRecord:
    """The record of one job. Every method may be called from any thread.

    Parameters
    ----------
    kind
        What kind of job it is.
    request
        The parameters of the call that made it.
    arn
        The job's ARN.

    Attributes
    ----------
    wake
        Set whenever whoever carries the job out should look at it again.
    """

    def __init__(self, kind: Kind, request: Mapping[str, Any], arn: str) -> None:
        self.kind = kind
        self.request = request
        self.arn = arn
        self.name: str = request[f"{kind.noun}JobName"]
        self.tags: list[dict[str, str]] = list(request.get("Tags") or [])
        self.wake = threading.Event()
        self.creation_time = self.last_modified_time = now()
        self._lock = threading.RLock()
        self._stop_requested = False
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._outcome: Outcome | None = None

    @property
    def status(self) -> Status:
        """Where the job is."""
        with self._lock:
            if self._outcome is not None:
                return self._outcome.status
            return Status.STOPPING if self._stop_requested else Status.IN_PROGRESS

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        with self._lock:
            return self._outcome is not None

    @property
    def stop_requested(self) -> bool:
        """Whether its Stop call was made."""
        with self._lock:
            return self._stop_requested

    def begin(self) -> None:
        """Note that the job's instances work from now on."""
        with self._lock:
            self._started_at = self.last_modified_time = now()

    def request_stop(self) -> bool:
        """Ask the job to stop; False when it has already ended. Asking twice is asking once."""
        with self._lock:
            if self._outcome is not None:
                return False
            if not self._stop_requested:
                self._stop_requested = True
                self.last_modified_time = now()
        self.wake.set()
        return True

    def finish(self, outcome: Outcome) -> None:
        """End the job. One that was asked to stop in the meantime has stopped, not completed."""
        with self._lock:
            if self._outcome is not None:
                return
            stopped = outcome.status is Status.COMPLETED and self._stop_requested
            status = Status.STOPPED if stopped else outcome.status
            self._outcome = Outcome(status, outcome.failure_reason, outcome.more)
            self._ended_at = self.last_modified_time = now()

    def describe(self) -> dict[str, Any]:
        """Return what the job's Describe call answers at this instant."""
        with self._lock:
            found = {name: self.request[name] for name in self.kind.repeated if self.request.get(name) is not None}
            started = {f"{self.kind.noun}StartTime": self._started_at} if self._started_at else {}
            return copy.deepcopy(found | started | self.summarize())

    def summarize(self) -> dict[str, Any]:
        """Return the job's line in its List call."""
        noun = self.kind.noun
        with self._lock:
            found: dict[str, Any] = {
                f"{noun}JobName": self.name,
                f"{noun}JobArn": self.arn,
                f"{noun}JobStatus": self.status.value,
                "CreationTime": self.creation_time,
                "LastModifiedTime": self.last_modified_time,
            }
            if self._ended_at is not None:
                found[f"{noun}EndTime"] = self._ended_at
            if self._outcome is not None:
                reason = self._outcome.failure_reason
                found |= {**({"FailureReason": reason} if reason else {}), **self._outcome.more}
            return found
