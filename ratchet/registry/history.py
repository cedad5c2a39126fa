"""A model's history: every event holds the hash of the one before, so that none can be changed, dropped or swapped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ratchet.aws import Item
from ratchet.contract import canonical_json
from ratchet.naming import HEAD_SK, event_sk, model_pk

GENESIS = "0" * 64  # the hash before the first event


class EventKind(StrEnum):
    """What happened."""

    REGISTERED = "registered"
    STORED = "stored"
    EVALUATED = "evaluated"
    MOVED = "moved"
    PROMOTED = "promoted"


@dataclass(frozen=True)
class Event:
    """One link of the chain; `hash` is the SHA-256 of all the rest in canonical JSON."""

    sequence: int
    at: str
    kind: EventKind
    actor: str
    version: int
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True)
class Head:
    """The end of the chain and the last version's number; `item` is what was read, None for a new model."""

    last_version: int = 0
    sequence: int = 0
    hash: str = GENESIS
    at: str = ""
    item: Item | None = None


@dataclass(frozen=True)
class Happening:
    """What is to be written down."""

    kind: EventKind
    actor: str
    version: int
    at: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HistoryReport:
    """Whether a history is whole.

    Attributes
    ----------
    events
        How many were looked at.
    first_bad
        Sequence number of the first event that is wrong, or missing; None when all is well.
    """

    intact: bool
    events: int
    first_bad: int | None = None
    problem: str = ""


def chain(head: Head, happening: Happening) -> Event:
    """Append to the chain; the time never runs backwards, whatever a worker's clock says."""
    body = {
        "sequence": head.sequence + 1,
        "at": max(happening.at, head.at),
        "kind": happening.kind,
        "actor": happening.actor,
        "version": happening.version,
        # Through JSON and back, so that what is hashed is what will be read.
        "detail": json.loads(canonical_json(dict(happening.detail))),
        "previous_hash": head.hash,
    }
    return Event(**body, hash=_hash(canonical_json(body)))


def event_item(model: str, event: Event) -> Item:
    """The item of an event. The body is kept as text: DynamoDB would turn 1.0 into 1, and the hash would differ."""
    return {
        "pk": model_pk(model),
        "sk": event_sk(event.sequence),
        "body": canonical_json({name: value for name, value in vars(event).items() if name != "hash"}).decode(),
        "hash": event.hash,
    }


def read_event(item: Item) -> Event:
    """Read what `event_item` wrote, without verifying it."""
    body = json.loads(item["body"])
    return Event(**{**body, "kind": EventKind(body["kind"])}, hash=item["hash"])


def head_item(model: str, head: Head, event: Event, last_version: int) -> Item:
    """The end of the chain after an event."""
    return {
        "pk": model_pk(model),
        "sk": HEAD_SK,
        "last_version": max(last_version, head.last_version),
        "sequence": event.sequence,
        "hash": event.hash,
        "at": event.at,
    }


def read_head(item: Item | None) -> Head:
    """Read what `head_item` wrote."""
    if item is None:
        return Head()
    return Head(int(item["last_version"]), int(item["sequence"]), item["hash"], item["at"], item)


def verify_chain(items: Iterable[Item], head: Head) -> HistoryReport:
    """Check a model's event items, in the order of their sort keys, and that none is missing at the end."""
    previous, count = GENESIS, 0
    for count, item in enumerate(items, start=1):
        problem = _problem(item, count, previous)
        if problem:
            return HistoryReport(False, count, count, problem)
        previous = item["hash"]
    if count != head.sequence:
        return HistoryReport(
            False, count, min(count, head.sequence) + 1, f"{head.sequence} events were written, {count} are there"
        )
    if previous != head.hash:
        return HistoryReport(False, count, count, "the last event is not the one that was written last")
    return HistoryReport(True, count)


def _problem(item: Item, sequence: int, previous: str) -> str:
    try:
        event = read_event(item)
    except (KeyError, TypeError, ValueError) as error:
        return f"event {sequence} cannot be read: {error!r}"
    if item["sk"] != event_sk(sequence) or event.sequence != sequence:
        return f"event {sequence} is missing: {item['sk']} with number {event.sequence} is in its place"
    if event.previous_hash != previous:
        return f"event {sequence} does not follow the event before it"
    if item["hash"] != _hash(item["body"].encode()):
        return f"event {sequence} was changed: its hash does not match"
    return ""


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
