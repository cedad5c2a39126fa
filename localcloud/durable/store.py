"""The journal: one SQLite database in write-ahead mode, synchronized before a commit returns."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from localcloud.durable.graph import Change

LAYOUT = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS root (
    number INTEGER PRIMARY KEY, service TEXT NOT NULL, account TEXT NOT NULL, region TEXT NOT NULL,
    UNIQUE (service, account, region)
);
CREATE TABLE IF NOT EXISTS node (
    number INTEGER PRIMARY KEY, root INTEGER NOT NULL, kind TEXT NOT NULL, form TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entry (
    place INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL, attribute TEXT NOT NULL, unit TEXT NOT NULL,
    key TEXT NOT NULL, form TEXT NOT NULL, UNIQUE (number, attribute, unit, key)
);
"""


class HomeInUse(Exception):
    """Another localcloud holds the home; the message says what to do."""


class JournalUnreadable(Exception):
    """The journal is not one that this version can read; the message says what to do."""


class Store:
    """An open journal.

    Parameters
    ----------
    path
        The database; made when missing.

    Raises
    ------
    HomeInUse
        When another process has it open.
    JournalUnreadable
        When it is of another layout, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise _explain(path, error) from error

    def roots(self) -> Iterator[tuple[int, str, str, str]]:
        """Return number, service, account and region of each backend."""
        return self._rows("SELECT number, service, account, region FROM root ORDER BY number")

    def nodes(self) -> Iterator[tuple[int, int, str, str]]:
        """Return number, backend's number, class and form of each node."""
        return self._rows("SELECT number, root, kind, form FROM node ORDER BY number")

    def entries(self) -> Iterator[tuple[int, str, str, str, str]]:
        """Return holder, attribute, unit, key and form of each entry, in their order."""
        return self._rows("SELECT number, attribute, unit, key, form FROM entry ORDER BY place")

    def commit(self, changes: list[Change]) -> None:
        """Write changes, all or none of them; when this returns they are on the disk."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in changes:
                    self._connection.execute(statement, values)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def copy(self, target: Path) -> None:
        """Write a copy of the journal to a new file."""
        with self._lock:
            self._connection.execute("VACUUM INTO ?", (str(target),))

    def close(self) -> None:
        """Close the journal."""
        with self._lock:
            self._connection.close()

    def _rows(self, statement: str) -> Iterator[Any]:
        with self._lock:
            return iter(self._connection.execute(statement).fetchall())

    def _open(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")  # a commit returns when the disk has it
        self._connection.executescript(_TABLES)
        run("INSERT OR IGNORE INTO meta (key, value) VALUES ('layout', ?)", (LAYOUT,))
        found = run("SELECT value FROM meta WHERE key = 'layout'").fetchone()[0]
        if found != LAYOUT:
            raise JournalUnreadable(
                f"{self._path} has layout {found}, this localcloud reads {LAYOUT}: "
                "start it with --fresh, or with the version that wrote it."
            )


def _explain(path: Path, error: sqlite3.DatabaseError) -> Exception:
    if "locked" in str(error):
        return HomeInUse(
            f"Another localcloud runs on {path.parent.parent}: end it, or choose another folder with --home."
        )
    return JournalUnreadable(f"{path} cannot be read ({error}): start with --fresh, or restore a snapshot.")
