"""What the queue of arrivals says, and what becomes of each message: pure decisions about S3's events."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote_plus

_REMEMBERED = 10_000
_SHOWN_KEYS = 100
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Arrival:
    """One event about one object of a dataset; `identity` is the same whenever S3 tells the event again."""

    dataset: str
    key: str
    identity: tuple[str, str, str, str] | None  # bucket, key, version id, sequencer; None: it cannot be told apart


@dataclass(frozen=True)
class Letter:
    """What one message says; `refusal` is why it, or a part of it, cannot be read."""

    arrivals: tuple[Arrival, ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Wake:
    """What woke a pipeline: the number of new events, and the first few keys for a person to see."""

    events: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Listeners:
    """Which pipelines each dataset wakes; not `complete` while a pipeline's file cannot be read."""

    by_dataset: Mapping[str, frozenset[str]]
    complete: bool = True


class Fate(Enum):
    """What becomes of a message."""

    DELETE = "delete"
    GIVE_BACK = "give back"  # it is delivered again soon, here or to another triggerer
    GIVE_UP = "give up"  # deleted although a pipeline never heard of it: the sweep tells that one


def read_letter(body: str, bucket: str) -> Letter:
    """Read a message's body, whatever it is; S3's test event and objects of no dataset say nothing.

    Parameters
    ----------
    body
        The message, as hostile as the internet.
    bucket
        The data bucket; events of any other are refused.
    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        return Letter(refusal=f"it is no JSON: {_shown(str(error))}")
    if isinstance(raw, dict) and raw.get("Event") == "s3:TestEvent":
        return Letter()
    records = raw.get("Records") if isinstance(raw, dict) else None
    if not isinstance(records, list) or not records:
        return Letter(refusal="it is no event of S3: it has no list of Records")
    arrivals, refusals = [], []
    for record in records:
        try:
            arrivals += _read_record(record, bucket)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            refusals.append(_shown(str(error)) if isinstance(error, ValueError) else "a record names no bucket and key")
    return Letter(tuple(arrivals), refusals[0] if refusals else "")


def _read_record(record: Any, bucket: str) -> list[Arrival]:
    told = record["s3"]
    found, described = told["bucket"]["name"], told["object"]
    if found != bucket:
        raise ValueError(f"it tells of the bucket {found!r}, this stack's data lies in {bucket}")
    key = unquote_plus(described["key"])
    parts = key.split("/")
    if len(parts) < 3 or parts[0] != "datasets":
        return []
    sequencer = described.get("sequencer")
    identity = (bucket, key, str(described.get("versionId", "")), str(sequencer)) if sequencer else None
    return [Arrival(parts[1], key, identity)]


class Memory:
    """Which pipelines have stored which events: bounded, and only what was stored for certain is in it."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str, str], frozenset[str]] = OrderedDict()

    def note(self, arrival: Arrival, pipelines: Iterable[str]) -> None:
        """Remember that these pipelines have stored the event."""
        if arrival.identity is None:
            return
        with self._lock:
            self._known[arrival.identity] = self._known.pop(arrival.identity, frozenset()) | frozenset(pipelines)
            if len(self._known) > self._limit:
                self._known.popitem(last=False)

    def missing(self, arrival: Arrival, wanted: frozenset[str]) -> frozenset[str]:
        """Those of the pipelines that have not stored the event yet."""
        with self._lock:
            return wanted - self._known.get(arrival.identity, frozenset()) if arrival.identity else wanted


def gather(arrivals: Iterable[Arrival], listeners: Listeners, memory: Memory) -> dict[str, Wake]:
    """What each pipeline is to be told of a burst; an event that comes twice counts once."""
    told: dict[str, list[str]] = {}
    seen = set()
    for arrival in arrivals:
        if arrival.identity is not None and arrival.identity in seen:
            continue
        seen.add(arrival.identity)
        for pipeline in memory.missing(arrival, listeners.by_dataset.get(arrival.dataset, frozenset())):
            told.setdefault(pipeline, []).append(arrival.key)
    return {name: Wake(len(keys), tuple(map(_shown, keys[:_SHOWN_KEYS]))) for name, keys in told.items()}


def decide_fate(letter: Letter, *, is_old: bool, listeners: Listeners, memory: Memory, taken: frozenset[str]) -> Fate:
    """Decide about a message after its burst: only what every pipeline concerned has stored is done with.

    Parameters
    ----------
    is_old
        Whether a sweep has surely told what it tells. How often it was delivered says nothing: a reader that is killed
        again and again delivers it often, too.
    taken
        Pipelines that have stored what the burst told them.
    """
    unheard = any(
        memory.missing(arrival, listeners.by_dataset.get(arrival.dataset, frozenset())) - taken
        for arrival in letter.arrivals
    )
    foreign = any(arrival.dataset not in listeners.by_dataset for arrival in letter.arrivals)
    if not unheard and (listeners.complete or not foreign):
        return Fate.DELETE
    return Fate.GIVE_UP if is_old else Fate.GIVE_BACK


def _shown(text: str) -> str:
    printable = text.encode("utf-8", "replace").decode()
    return printable if len(printable) <= _SHOWN_CHARACTERS else printable[:_SHOWN_CHARACTERS] + "…"
