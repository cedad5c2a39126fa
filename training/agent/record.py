"""The job's record in S3: what the agent says about it, and how it learns that the job is another's now."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import datetime, timezone
from typing import Any, Dict, Mapping

from training.agent.store import Conflict, Store

_ENDED = ("succeeded", "failed", "stopped")
_TRIES = 20


class Fenced(Exception):
    """The job has ended, or another machine has it: nothing that this one says counts any more."""


def moment() -> str:
    """The current time as records hold it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Record:
    """The record of one job, written by one attempt at it.

    Parameters
    ----------
    store
        The door to S3.
    bucket, key
        Where the record lies.
    attempt
        Which machine of the job this one is, from 1; the record's own number rises when another takes over.
    """

    def __init__(self, store: Store, bucket: str, key: str, *, attempt: int) -> None:
        self._store = store
        self._bucket = bucket
        self._key = key
        self._attempt = attempt
        self._writer = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._current: Dict[str, Any] = {}
        self._etag = ""

    @property
    def current(self) -> Mapping[str, Any]:
        """The record as it was last seen."""
        return self._current

    def update(self, **changes: Any) -> None:
        """Write changes over whatever is there; `Fenced` when they no longer count.

        Every write also tells that this machine is alive.
        """
        with self._lock:
            for _ in range(_TRIES):
                if not self._etag and self._settled(changes):
                    return
                wanted = {**self._current, **changes, "seen_at": moment(), "writer": self._writer}
                body = json.dumps(wanted, sort_keys=True).encode("utf-8")
                try:
                    self._etag = self._store.replace(self._bucket, self._key, body, self._etag)
                except Conflict:
                    self._etag = ""
                    continue
                self._current = wanted
                return
        raise RuntimeError("the job's record s3://%s/%s is written all the time" % (self._bucket, self._key))

    def _settled(self, changes: Mapping[str, Any]) -> bool:
        """Read the record anew; whether a write of ours, whose answer was lost, has ended the job already."""
        body, self._etag = self._store.read(self._bucket, self._key)
        self._current = json.loads(body.decode("utf-8"))
        found = self._current
        if found.get("state") in _ENDED and found.get("writer") == self._writer:
            return bool(found["state"] == changes.get("state"))
        if found.get("attempt") != self._attempt or found.get("state") in _ENDED or found.get("refused"):
            raise Fenced("the job is at attempt %s and %s" % (found.get("attempt"), found.get("state")))
        return False
