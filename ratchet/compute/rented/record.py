"""The record of a job on a rented machine: one object in S3, written by turns by its orchestrator and its agent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ratchet.clock import isoformat
from ratchet.compute.order import JobState
from ratchet.contract import canonical_json

MARKET_SPOT = "spot"
MARKET_ON_DEMAND = "on-demand"


@dataclass(frozen=True)
class JobRecord:
    """Where a job is.

    Attributes
    ----------
    attempt
        Which machine of the job this is about, from 1. Whoever writes for another attempt is fenced.
    machine
        Id of the instance, or ARN of the task; empty until it is known.
    market
        `spot` or `on-demand`: how the machine was bought.
    seen_at
        When the agent last wrote; None before its first word.
    launched_at
        When the machine of this attempt was ordered.
    used_seconds, billed_seconds
        How long earlier attempts trained, and were paid for.
    stop_asked
        Somebody wants it to end; `stop_reason` says why.
    refused
        There was no machine for it: nothing runs, or will, until somebody orders it again.
    interrupted
        The machine of this attempt was being taken away, and the agent has saved what there was.
    writer
        Token of the last write.
    """

    job: str
    created_at: str
    attempt: int = 1
    state: str = JobState.RUNNING.value
    phase: str = "Pending"
    message: str = ""
    machine: str = ""
    market: str = MARKET_ON_DEMAND
    instance_type: str = ""
    image_uri: str = ""
    archive_uri: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    launched_at: str = ""
    started_at: str | None = None
    seen_at: str | None = None
    ended_at: str | None = None
    used_seconds: float = 0.0
    billed_seconds: float = 0.0
    stop_asked: bool = False
    stop_reason: str = ""
    interrupted: bool = False
    refused: bool = False
    writer: str = ""

    def next_attempt(self, now: datetime) -> JobRecord:
        """The record when the next machine is about to be ordered; what this one has trained and cost is kept."""
        return self.changed(
            attempt=self.attempt + 1,
            phase="Interrupted",
            machine="",
            interrupted=False,
            seen_at=None,
            started_at=None,
            launched_at=isoformat(now),
            used_seconds=self.used_seconds + _seconds(self.started_at, read_moment(self.seen_at)),
            billed_seconds=self.billed_seconds + _seconds(self.launched_at, now),
        )

    @property
    def ended(self) -> bool:
        """Whether the job has its end; its machine may still be on its way out."""
        return JobState(self.state).ended

    def changed(self, **changes: Any) -> JobRecord:
        """The record with some fields replaced."""
        return dataclasses.replace(self, **changes)

    def to_bytes(self) -> bytes:
        """The object's content."""
        return canonical_json(dataclasses.asdict(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> JobRecord:
        """Read the object's content; what a newer Ratchet has added is left out."""
        raw = json.loads(content)
        return cls(**{name: raw[name] for name in cls.__dataclass_fields__ if name in raw})


def _seconds(since: str | None, until: datetime | None) -> float:
    begin = read_moment(since)
    return max(0.0, (until - begin).total_seconds()) if begin and until else 0.0


def read_moment(text: str | None) -> datetime | None:
    """A moment as records hold it."""
    return datetime.fromisoformat(text) if text else None
