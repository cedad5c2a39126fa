"""Carries out the faults that strike calls: errors, latency, lost answers, answers cut short, a wrong clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from email.utils import format_datetime

from localcloud.chain import Answer, ConnectionCut, Exchange, Next, tell
from localcloud.fault import CALL_EFFECTS, Effect, Fault, Seen
from localcloud.faultbook import FaultBook
from localcloud.operation import is_mutating
from localcloud.refusal import refuse
from localcloud.request import Call
from localcloud.shelf import botocore_name

_MACHINE_OPERATIONS = {
    "ec2": frozenset({"RunInstances", "StartInstances", "CreateFleet", "RequestSpotInstances"}),
    "ecs": frozenset({"RunTask"}),
    "sagemaker": frozenset({"CreateTrainingJob", "CreateProcessingJob", "CreateTransformJob"}),
}
_INSTANCE_CAPACITY = (
    "We currently do not have sufficient capacity in the Availability Zone you requested. Our system will be "
    "working on provisioning additional capacity."
)
_TASK_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


class Disturbance:
    """Lets the faults in force strike.

    Parameters
    ----------
    book
        The faults.
    pause
        Waits for a number of seconds.
    """

    def __init__(self, book: FaultBook, pause: Callable[[float], object]) -> None:
        self._book = book
        self._pause = pause

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Pass the call on, unless a fault says otherwise."""
        if self._book.is_empty:
            return then(exchange)
        call = exchange.call
        asks_for_machines = exchange.operation in _MACHINE_OPERATIONS.get(call.service, ())
        possible = CALL_EFFECTS if asks_for_machines else CALL_EFFECTS - {Effect.CAPACITY}
        struck = self._book.strike(see(call, exchange.operation), possible)
        self._pause(sum(fault.seconds for fault in struck if fault.effect is Effect.LATENCY))
        instead = (answer for fault in struck if (answer := _instead(fault, call)) is not None)
        answer = next(instead, None)
        return answer or self._carry_out(exchange, then, {fault.effect for fault in struck})

    def _carry_out(self, exchange: Exchange, then: Next, effects: set[Effect]) -> Answer:
        if Effect.CAPACITY in effects:  # SageMaker takes the job, and says later that it found no machine
            self._book.doom(_job_name(exchange.call))
        answer = then(exchange)
        if effects & {Effect.DROP, Effect.CUT}:
            answer = Answer(answer.status, answer.headers, [b"".join(answer.body)])
        if Effect.DROP in effects:
            raise ConnectionCut
        return _cut(answer) if Effect.CUT in effects else answer


def see(call: Call, operation: str) -> Seen:
    """Return a call as faults look at it."""
    known = botocore_name(call.service)
    names = (known,) if known == call.service else (known, call.service)
    return Seen(services=names, operation=operation, region=call.region, mutating=is_mutating(operation, call.method))


class Calendar:
    """Dates every answer with the time that this instance believes it is."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Pass the call on; change the answer's date when the clock is off."""
        answer = then(exchange)
        if self._book.is_empty:
            return answer
        kept = [(name, value) for name, value in answer.headers if name.lower() != "date"]
        return Answer(answer.status, [*kept, ("Date", format_datetime(self._book.now(), usegmt=True))], answer.body)


def _instead(fault: Fault, call: Call) -> Answer | None:
    """What is answered without the call being carried out, or None."""
    if fault.effect is Effect.ERROR:
        return tell(*refuse(call, f"{fault.status} Error", fault.code, fault.message))
    if fault.effect is not Effect.CAPACITY:
        return None
    if call.service == "ec2":
        return tell(*refuse(call, "500 Internal Server Error", "InsufficientInstanceCapacity", _INSTANCE_CAPACITY))
    if call.service == "ecs":
        failures = [{"arn": _arn_of_cluster(call), "reason": _TASK_CAPACITY}]
        body = json.dumps({"tasks": [], "failures": failures}).encode()
        return tell("200 OK", {"Content-Type": "application/x-amz-json-1.1"}, body)
    return None


def _arn_of_cluster(call: Call) -> str:
    asked: Mapping[str, str] = json.loads(call.body or b"{}")
    name = str(asked.get("cluster", "default"))
    return name if name.startswith("arn:") else f"arn:aws:ecs:{call.region}:123456789012:cluster/{name}"


def _job_name(call: Call) -> str:
    asked: Mapping[str, object] = json.loads(call.body or b"{}")
    return next((str(value) for name, value in asked.items() if name.endswith("JobName")), "")


def _cut(answer: Answer) -> Answer:
    """The same head, and half of the body."""
    whole = b"".join(answer.body)
    headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
    return Answer(answer.status, [*headers, ("Content-Length", str(len(whole)))], _first_half(whole))


def _first_half(whole: bytes) -> Iterator[bytes]:
    yield whole[: len(whole) // 2]
    raise ConnectionCut
