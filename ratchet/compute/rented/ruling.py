"""What is to be done about a job, from its record and a look at its machine: pure, so that every case can be tried."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from ratchet.compute.attempt import NO_CAPACITY
from ratchet.compute.order import JobState
from ratchet.compute.rented.fleet import Presence, Sighting
from ratchet.compute.rented.record import MARKET_SPOT, JobRecord, read_moment


@dataclass(frozen=True)
class Patience:
    """How long things may take before somebody acts.

    Attributes
    ----------
    appear_seconds
        From the order of a machine until a look must find it: AWS's listings lag behind its orders.
    boot_seconds
        From its order to the agent's first word; the image alone is ten gigabytes.
    silence_seconds
        Between two words of the agent.
    farewell_seconds
        From a job's end to its machine's.
    capacity_seconds
        How long a job whose Spot capacity was taken back waits for any other.
    slack_seconds
        What a machine may live beyond the time that the job may train.
    """

    appear_seconds: float = 60.0
    boot_seconds: float = 1800.0
    silence_seconds: float = 600.0
    farewell_seconds: float = 60.0
    capacity_seconds: float = 3600.0
    slack_seconds: float = 3600.0


class Action(Enum):
    """What to do."""

    WAIT = "wait"
    END_MACHINE = "end the machine"
    SETTLE = "write the job's end"
    RESTART = "rent the next machine"
    RENT = "rent the machine that nobody could have"


@dataclass(frozen=True)
class Ruling:
    """An action, and for an end: which, and why."""

    action: Action
    state: JobState = JobState.RUNNING
    message: str = ""


_WAIT = Ruling(Action.WAIT)


def rule(record: JobRecord, seen: Sighting, now: datetime, patience: Patience) -> Ruling:
    """Decide.

    The record speaks first: what it calls ended has ended. A machine that is gone, or silent, without the job's end in
    the record ends the job, unless it was Spot capacity that was taken back and nobody wants the job to stop.
    """
    if record.ended:
        late = _since(record.ended_at, now) > patience.farewell_seconds
        return Ruling(Action.END_MACHINE) if late and seen.presence is Presence.ALIVE else _WAIT
    if seen.presence is Presence.LEAVING:
        return _WAIT
    if seen.presence is Presence.GONE:
        return _rule_gone(record, seen, now, patience)
    if record.stop_asked:
        return Ruling(Action.END_MACHINE)
    return _rule_alive(record, seen, now, patience)


def _rule_gone(record: JobRecord, seen: Sighting, now: datetime, patience: Patience) -> Ruling:
    age = _since(record.launched_at or record.created_at, now)
    if not seen.machine and age < patience.appear_seconds:
        return _WAIT  # a machine may be there although no listing shows it, also one that is to stop
    if record.stop_asked:
        return Ruling(Action.SETTLE, JobState.STOPPED, record.stop_reason or "stopped on request")
    if not seen.machine and not record.machine and record.attempt > 1:
        return _rule_without_room(age, patience)
    if record.market == MARKET_SPOT and (record.interrupted or seen.taken_back):
        return Ruling(Action.RESTART)
    why = seen.reason.rstrip(".") or "it is not there any more"
    lost = f"MachineError: the machine ended before the job had its end: {why}"
    return Ruling(Action.SETTLE, JobState.FAILED, f"{NO_CAPACITY}: {why}" if seen.no_room else lost)


def _rule_without_room(waited_seconds: float, patience: Patience) -> Ruling:
    """Nobody had a machine for the attempt that is to go on."""
    if waited_seconds < patience.capacity_seconds:
        return Ruling(Action.RENT)
    return Ruling(Action.SETTLE, JobState.FAILED, f"{NO_CAPACITY}: no machine to go on with came in time")


def _rule_alive(record: JobRecord, seen: Sighting, now: datetime, patience: Patience) -> Ruling:
    if seen.waits:
        return _WAIT
    heard = read_moment(record.seen_at)
    silent = _since(record.seen_at or record.launched_at, now)
    limit = patience.boot_seconds if heard is None else patience.silence_seconds
    if silent <= limit:
        return _WAIT
    what = "has not begun to work" if heard is None else "has said nothing"
    passed = timedelta(seconds=round(silent))
    return Ruling(Action.SETTLE, JobState.FAILED, f"MachineError: the machine {record.machine} {what} for {passed}")


def _since(moment: str | None, now: datetime) -> float:
    found = read_moment(moment)
    return 0.0 if found is None else (now - found).total_seconds()
