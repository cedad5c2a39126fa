"""A record and a look at its machine, in the words that every backend shares."""

from __future__ import annotations

from ratchet.compute.attempt import NO_CAPACITY
from ratchet.compute.order import JobState, JobStatus
from ratchet.compute.rented.fleet import Presence, Sighting
from ratchet.compute.rented.record import JobRecord, read_moment

_ENDING = "Ending"  # the job has its end, its machine not yet


def describe(record: JobRecord, seen: Sighting) -> JobStatus:
    """A job has ended when its record says so and its machine costs nothing any more."""
    state, phase = JobState(record.state), record.phase
    if record.ended and seen.presence is Presence.ALIVE:
        state, phase = JobState.RUNNING, _ENDING
    elif not record.ended and record.stop_asked:
        state, phase = JobState.STOPPING, "Stopping"
    ended_at = read_moment(record.ended_at)
    return JobStatus(
        name=record.job,
        state=state,
        phase=phase,
        message=record.message,
        archive_uri=record.archive_uri,
        metrics=dict(record.metrics),
        created_at=read_moment(record.created_at),
        started_at=read_moment(record.started_at),
        ended_at=ended_at,
        billable_seconds=_seconds(record.billed_seconds, record.launched_at, record.ended_at),
        training_seconds=_seconds(record.used_seconds, record.started_at, record.ended_at),
        instance_type=record.instance_type,
        image_uri=record.image_uri,
        no_capacity=record.message.startswith(NO_CAPACITY),
    )


def _seconds(before: float, since: str | None, until: str | None) -> int | None:
    begin, end = read_moment(since), read_moment(until)
    if end is None:
        return None
    return round(before + ((end - begin).total_seconds() if begin else 0.0))
