"""An S3 that only lists: keys with versions in pages of a few, in memory, and it counts what it is asked."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

ENABLED = {"Status": "Enabled"}
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


class VersionList:
    """Keys, each with how many versions it has, the newest of them perhaps a deletion."""

    def __init__(self, keys: dict[str, tuple[int, bool]], *, page: int = 3, prefix: str = "datasets/digits/") -> None:
        self.page = page
        self.calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self.rows = [
            (prefix + key, f"v{number}", number == versions, deleted and number == versions)
            for key, (versions, deleted) in sorted(keys.items())
            for number in range(versions, 0, -1)
        ]

    def client(self, service: str) -> VersionList:
        return self

    def get_bucket_versioning(self, **request: Any) -> dict[str, Any]:
        return ENABLED

    def list_object_versions(
        self, Prefix: str, Delimiter: str = "", KeyMarker: str = "", VersionIdMarker: str = "", **request: Any
    ) -> dict[str, Any]:
        with self._lock:
            self.calls.append({"key": KeyMarker, "version": VersionIdMarker, "delimiter": Delimiter})
        rows = [row for row in self.rows if row[0].startswith(Prefix)]
        if Delimiter:
            rests = {row[0][len(Prefix) :].partition("/") for row in rows}
            return {"CommonPrefixes": [{"Prefix": f"{Prefix}{head}/"} for head, slash, _ in sorted(rests) if slash]}
        if VersionIdMarker:
            place = next(n for n, row in enumerate(rows) if row[:2] == (KeyMarker, VersionIdMarker))
            rows = rows[place + 1 :]
        else:
            rows = [row for row in rows if row[0] > KeyMarker]
        answer: dict[str, Any] = {"Versions": [], "DeleteMarkers": [], "IsTruncated": len(rows) > self.page}
        for key, version, newest, deleted in rows[: self.page]:
            told = {
                "Key": key,
                "VersionId": version,
                "IsLatest": newest,
                "LastModified": datetime(2030, 1, 1, tzinfo=UTC),
            }
            answer["DeleteMarkers" if deleted else "Versions"].append(
                told if deleted else told | {"Size": len(key), "ETag": f'"{key}"'}
            )
        if answer["IsTruncated"]:
            answer["NextKeyMarker"], answer["NextVersionIdMarker"] = rows[self.page - 1][:2]
        return answer
