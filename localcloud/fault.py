"""What can be made to go wrong, as data: which calls a fault strikes, and what happens to them."""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, model_validator

_LONGEST_SECONDS = 3600


class Effect(StrEnum):
    """What happens."""

    ERROR = "error"  # the call is refused, and nothing is done
    LATENCY = "latency"  # the call waits before it is carried out
    DROP = "drop"  # the call is carried out, and the connection is cut before the answer
    CUT = "cut"  # the call is carried out, and the connection is cut in the middle of the answer's body
    CAPACITY = "capacity"  # there is no machine, said as the service says it
    LOSE_EVENT = "lose-event"  # an event of S3 never comes
    DUPLICATE_EVENT = "duplicate-event"  # it comes twice
    REORDER_EVENT = "reorder-event"  # it comes after the next one
    DELAY_EVENT = "delay-event"  # it comes later
    SKEW = "skew"  # this instance's clock is wrong: `Date` in answers, and what signatures are held against


CALL_EFFECTS = frozenset({Effect.ERROR, Effect.LATENCY, Effect.DROP, Effect.CUT, Effect.CAPACITY})
EVENT_EFFECTS = frozenset(
    {Effect.LOSE_EVENT, Effect.DUPLICATE_EVENT, Effect.REORDER_EVENT, Effect.DELAY_EVENT}
)  # of S3's notifications to queues
_TIMED = frozenset({Effect.LATENCY, Effect.DELAY_EVENT, Effect.SKEW})


class Fault(BaseModel):
    """One fault. Names may hold `*`.

    Attributes
    ----------
    effect
        What happens.
    service
        Name in boto3 (`lambda`, `elbv2`) or signing name (`elasticloadbalancing`).
    operation
        Name in AWS's API, for example `PutItem`; for events the event's, for example `ObjectCreated:Put`.
    region
        Of the call.
    mutating
        Strikes only calls that change something.
    probability
        Of each call to be struck.
    count
        After so many strikes the fault is spent; None: never.
    each
        `count` holds for each operation of each service by itself.
    seed
        Decides which calls are struck: the n-th call of an operation has the same fate in every run.
    code, status, message
        Of an error.
    seconds
        Of a latency, a delay or a skew.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    effect: Effect
    service: str = "*"
    operation: str = "*"
    region: str = "*"
    mutating: bool = False
    probability: float = Field(default=1.0, gt=0, le=1)
    count: int | None = Field(default=None, ge=1)
    each: bool = False
    seed: int = 0
    code: str = Field(default="", pattern=r"^[\w.]*$")
    status: int = Field(default=500, ge=400, le=599)
    message: str = "a fault that was asked for"
    seconds: float = Field(default=0, ge=-_LONGEST_SECONDS, le=_LONGEST_SECONDS)

    @model_validator(mode="after")
    def _is_whole(self) -> Fault:
        if self.effect is Effect.ERROR and not self.code:
            raise ValueError("an error needs a code, for example ThrottlingException")
        if self.effect in _TIMED and not self.seconds:
            raise ValueError(f"{self.effect} needs seconds")
        if self.seconds < 0 and self.effect is not Effect.SKEW:
            raise ValueError("seconds must not be negative")
        if self.each and self.count is None:
            raise ValueError("each needs a count")
        if self.effect is Effect.SKEW and (self.service, self.operation, self.region) != ("*", "*", "*"):
            raise ValueError("a skew is of the whole instance: it takes no service, operation or region")
        return self


def drop_every_mutating_response_once() -> Fault:
    """The schedule under which whoever takes a lost answer for a failure shows it."""
    return Fault(effect=Effect.DROP, mutating=True, count=1, each=True)


class Seen(BaseModel):
    """A call or an event, as faults look at it.

    Attributes
    ----------
    services
        Every name that the service goes by; the first is boto3's.
    operation, region
        What was called, and where.
    mutating
        Whether it changes something.
    """

    model_config = ConfigDict(frozen=True)

    services: tuple[str, ...]
    operation: str
    region: str
    mutating: bool = True


def matches(fault: Fault, seen: Seen) -> bool:
    """Whether a fault is meant for a call or an event."""
    return (
        (seen.mutating or not fault.mutating)
        and any(fnmatchcase(name, fault.service) for name in seen.services)
        and fnmatchcase(seen.operation, fault.operation)
        and fnmatchcase(seen.region, fault.region)
    )
