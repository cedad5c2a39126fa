"""Batch's rules without its hands: states, retries, dependencies, and the status of an array job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Status(StrEnum):
    """The life of a job."""

    SUBMITTED = "SUBMITTED"
    PENDING = "PENDING"
    RUNNABLE = "RUNNABLE"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether the job is over."""
        return self in {Status.SUCCEEDED, Status.FAILED}

    @property
    def is_before_start(self) -> bool:
        """Whether CancelJob still has an effect."""
        return self in {Status.SUBMITTED, Status.PENDING, Status.RUNNABLE}


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt has ended.

    Attributes
    ----------
    exit_code
        None when the container never ran.
    reason
        Of the container, for example that it ran out of memory.
    status_reason
        Of the attempt.
    is_retryable
        Whether Batch may try again: not after a timeout, nor when somebody ended it.
    """

    exit_code: int | None
    status_reason: str
    reason: str = ""
    is_retryable: bool = True

    @property
    def is_success(self) -> bool:
        """Whether the job has succeeded by it."""
        return self.exit_code == 0 and self.is_retryable


def may_retry(strategy: Mapping[str, Any], attempts: int, end: AttemptEnd) -> bool:
    """Whether a failed attempt is followed by another one.

    Parameters
    ----------
    strategy
        `attempts` and `evaluateOnExit`: the first rule that matches decides; without a match the job is tried again.
    attempts
        Attempts so far.
    """
    if not end.is_retryable or attempts >= int(strategy.get("attempts") or 1):
        return False
    for rule in strategy.get("evaluateOnExit") or []:
        if _matches(rule, end):
            return str(rule["action"]).upper() == "RETRY"
    return True


def array_status(children: Iterable[Status]) -> Status:
    """Return the status of an array job by those of its children."""
    counted = Counter(children)
    if counted.keys() - {Status.SUCCEEDED, Status.FAILED}:
        return Status.PENDING
    return Status.FAILED if counted[Status.FAILED] else Status.SUCCEEDED


def summary(children: Iterable[Status]) -> dict[str, int]:
    """Return how many children have each status."""
    counted = Counter(children)
    return {status.value: counted[status] for status in Status}


def substitute(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Return a command with its `Ref::name` words replaced by the parameters' values."""
    found = list(command)
    for name in sorted(parameters, key=len, reverse=True):
        found = [word.replace(f"Ref::{name}", str(parameters[name])) for word in found]
    return found


def _matches(rule: Mapping[str, Any], end: AttemptEnd) -> bool:
    code = "" if end.exit_code is None else str(end.exit_code)
    seen = {"onStatusReason": end.status_reason, "onReason": end.reason, "onExitCode": code}
    asked = {key: str(rule[key]) for key in seen if rule.get(key)}
    return bool(asked) and all(_glob(pattern, seen[key]) for key, pattern in asked.items())


def _glob(pattern: str, text: str) -> bool:
    # Batch knows one star, at the end; case does not matter.
    escaped = "".join(f"[{letter}]" if letter in "?[" else letter for letter in pattern.lower())
    return fnmatchcase(text.lower(), escaped)
