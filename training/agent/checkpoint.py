"""Keeps the checkpoint folder and its S3 prefix alike, so that the machine after this one goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Dict, Tuple

from training.agent.channel import fetch_files, list_below
from training.agent.store import Store

_Stamp = Tuple[int, int]  # time of the last change in nanoseconds, size in bytes


class Checkpoints:
    """Downloads once, then uploads what changes. Nothing is deleted on either side.

    Parameters
    ----------
    folder
        The job's folder.
    uri
        `s3://bucket/prefix`.
    """

    def __init__(self, store: Store, folder: Path, uri: str) -> None:
        self._store = store
        self._folder = folder
        self._uri = uri.rstrip("/") + "/"
        self._uploaded: Dict[Path, _Stamp] = {}
        self._seen: Dict[Path, _Stamp] = {}
        self._lock = threading.Lock()

    def download(self) -> None:
        """Fetch what an earlier machine left."""
        found = [(uri, place) for uri, place in list_below(self._store, self._uri) if not uri.endswith("/")]
        fetch_files(self._store, found, self._folder)
        self._uploaded = self._look()

    def push(self) -> None:
        """Upload what has changed and was the same at two looks, so that nothing is caught half written."""
        with self._lock:
            before, self._seen = self._seen, self._look()
            for path, stamp in self._seen.items():
                if before.get(path) == stamp:
                    self._store_once(path, stamp)

    def push_everything(self) -> None:
        """Upload what has changed: nobody writes any more."""
        with self._lock:
            for path, stamp in self._look().items():
                self._store_once(path, stamp)

    def _store_once(self, path: Path, stamp: _Stamp) -> None:
        if self._uploaded.get(path) == stamp:
            return
        try:
            self._store.upload(path, self._uri + path.relative_to(self._folder).as_posix())
        except FileNotFoundError:  # gone since the look
            return
        self._uploaded[path] = stamp

    def _look(self) -> Dict[Path, _Stamp]:
        found: Dict[Path, _Stamp] = {}
        for path in sorted(self._folder.rglob("*")):
            try:
                if path.is_file() and not path.is_symlink():
                    status = path.stat()
                    found[path] = status.st_mtime_ns, status.st_size
            except FileNotFoundError:  # the job renames and removes while we look
                continue
        return found
