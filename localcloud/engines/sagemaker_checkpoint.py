"""Keeps a folder of a running job and its S3 prefix alike: checkpoints, and a processing job's outputs."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from localcloud import storage
from localcloud.engines.sagemaker_channel import relative_path
from localcloud.engines.sagemaker_failure import JobFailure

_Stamp = tuple[int, int]  # time of the last change in nanoseconds, size in bytes


class CheckpointSync:
    """Downloads once, then uploads what changes. Nothing is deleted on either side.

    Parameters
    ----------
    folder
        The job's folder.
    uri
        `s3://bucket/prefix`.
    what
        What lies in the folder, for messages.
    """

    def __init__(self, folder: Path, uri: str, *, what: str = "Checkpoint") -> None:
        self._folder = folder
        self._what = what
        self._bucket, prefix = storage.split_uri(uri)
        self._prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        self._uploaded: dict[Path, _Stamp] = {}
        self._seen: dict[Path, _Stamp] = {}

    def download(self) -> int:
        """Fetch what an earlier job left; return the number of files.

        Raises
        ------
        JobFailure
            When the bucket does not exist, or a key would lie outside the folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            keys = [key for key in storage.list_keys(self._bucket, self._prefix) if not key.endswith("/")]
            for key in keys:
                self._fetch(key, relative_path(key, self._prefix))
        except (storage.ObjectNotFound, OSError) as error:
            raise JobFailure(f"ClientError: {self._what} download failed:{error}") from error
        return len(keys)

    def push(self, *, everything: bool = False) -> int:
        """Upload what changed since the last upload; return the number of files.

        While the job runs a file must have been the same at two looks, so that none is caught half written.
        """
        current = self._look()
        changed = {path: stamp for path, stamp in current.items() if self._uploaded.get(path) != stamp}
        ready = {path: stamp for path, stamp in changed.items() if everything or self._seen.get(path) == stamp}
        self._seen = current
        for path, stamp in ready.items():
            self._store(path)
            self._uploaded[path] = stamp
        return len(ready)

    def _fetch(self, key: str, path: PurePosixPath) -> None:
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(storage.get_object(self._bucket, key))
        self._uploaded[target] = _stamp(target)

    def _look(self) -> dict[Path, _Stamp]:
        found: dict[Path, _Stamp] = {}
        # os.walk passes over a folder that is gone; rglob fails. The job renames and removes while we look.
        names = [Path(folder, name) for folder, _, files in os.walk(self._folder) for name in files]
        for path in sorted(names):
            try:
                if path.is_file() and not path.is_symlink():
                    found[path] = _stamp(path)
            except FileNotFoundError:
                continue
        return found

    def _store(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # gone since the look
            return
        try:
            storage.put_object(self._bucket, self._prefix + path.relative_to(self._folder).as_posix(), content)
        except storage.ObjectNotFound as error:
            raise JobFailure(f"ClientError: {self._what} upload failed:{error}") from error


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
