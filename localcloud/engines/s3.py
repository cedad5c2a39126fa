"""S3: events carry versionId and sequencer, and every removal is told, as AWS does; moto leaves these out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import models, notifications, responses
from moto.s3.exceptions import S3ClientError
from moto.s3.models import FakeDeleteMarker, S3Backend, s3_backends

from localcloud.checksum import moto_sum
from localcloud.engine import Host
from localcloud.engines.s3_listing import improve_s3

_SUMMING: tuple[Any, ...] = (models, responses)
_moto_sum = models.compute_checksum
_moto_event = notifications._get_s3_event
_Event = notifications.S3NotificationEvent


class Sequencer:
    """Numbers that only rise: S3's consumers compare them to order the events of one key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        """Return the next one, in hexadecimal; later ones are greater as text, too."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return f"{self._last:016X}"


class ObservantS3Backend(S3Backend):  # type: ignore[misc]
    """moto's S3 with the events of delete markers and of versions that are removed one by one."""

    def put_bucket_policy(self, bucket_name: str, policy: bytes) -> None:
        """Attach a policy; what is no JSON object is refused here, not at the first request that it should judge."""
        check_policy(policy)
        super().put_bucket_policy(bucket_name, policy)

    def head_object(self, *args: Any, **kwargs: Any) -> Any:
        """Return an object; the checksum of one that was put together tells of how many parts, as it does on a get."""
        key = super().head_object(*args, **kwargs)
        return _Composite(key) if getattr(key, "checksum_type", None) == "COMPOSITE" else key

    def delete_object(
        self, bucket_name: str, key_name: str, version_id: str | None = None, bypass: bool = False
    ) -> tuple[bool, dict[str, Any]]:
        """Remove an object or a version, or lay a delete marker over it, and tell."""
        bucket = self.get_bucket(bucket_name)
        versioned = bucket.is_versioned
        before = list(bucket.keys.getlist(key_name) or [])
        done, meta = super().delete_object(bucket_name, key_name, version_id=version_id, bypass=bypass)
        if done and versioned:
            self._tell_removal(bucket, key_name, version_id, before)
        return done, meta

    def _tell_removal(self, bucket: Any, key_name: str, version_id: str | None, before: list[Any]) -> None:
        if version_id is None:
            marker = bucket.keys[key_name]
            notifications.send_event(self.account_id, _Event.OBJECT_REMOVED_DELETE_MARKER_CREATED_EVENT, bucket, marker)
            return
        removed = [key for key in before if str(key.version_id) == str(version_id)]
        if removed and len(before) > 1:  # moto has told about the last one itself
            notifications.send_event(self.account_id, _Event.OBJECT_REMOVED_DELETE_EVENT, bucket, removed[0])


class _Composite:
    """An object with the number of its parts after its checksum."""

    def __init__(self, key: Any) -> None:
        self._key = key
        self.checksum_value = f"{key.checksum_value}-{key.checksum_parts}"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


def check_policy(policy: bytes) -> None:
    """Refuse a bucket policy that is no JSON object."""
    try:
        found = json.loads(policy)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise S3ClientError("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")


# moto finds a service's routes by the module of its backend.
ObservantS3Backend.__module__ = S3Backend.__module__


class S3Engine:
    """Makes S3's events and lists complete."""

    name = "s3"

    def __init__(self) -> None:
        self._sequencer = Sequencer()
        self._undo: Callable[[], None] | None = None

    def install(self, host: Host) -> None:
        """Swap the backend and the function that writes events."""
        s3_backends.backend = ObservantS3Backend
        notifications._get_s3_event = self._describe
        self._undo = improve_s3()
        for module in _SUMMING:
            module.compute_checksum = moto_sum

    def resume(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Give moto its own back."""
        s3_backends.backend = S3Backend
        notifications._get_s3_event = _moto_event
        if self._undo is not None:
            self._undo()
            self._undo = None
        for module in _SUMMING:
            module.compute_checksum = _moto_sum

    def _describe(self, event_name: str, bucket: Any, key: Any, notification_id: str) -> Any:
        """Write an event; a removal has neither size nor ETag."""
        removal = "ObjectRemoved" in event_name
        source = _Removed(key.name) if removal or isinstance(key, FakeDeleteMarker) else key
        event = _moto_event(event_name, bucket, source, notification_id)
        told = event["Records"][0]["s3"]["object"]
        told["key"] = quote_plus(key.name, safe="/")  # slashes stay, as AWS leaves them
        if source is not key:
            del told["size"], told["eTag"]
        if bucket.is_versioned:
            told["versionId"] = key.version_id
        told["sequencer"] = self._sequencer.next()
        return event


class _Removed:
    """What moto's writer needs of a key that has no content."""

    etag = ""
    size = 0

    def __init__(self, name: str) -> None:
        self.name = name


def engine() -> S3Engine:
    """Make the engine."""
    return S3Engine()
