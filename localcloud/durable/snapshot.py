"""The whole state as one file: a tar of the journal and of the files that it needs.

A snapshot may come from somebody else. Nothing in it is run when it is restored: names outside the two places are
refused, and the journal may name only classes that hold data. What the state itself says (a function's code, a
container's command) runs when it is called, as it would on the machine where it was made.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

from localcloud.durable.home import JOURNAL, OBJECTS, forget
from localcloud.durable.ledger import Ledger
from localcloud.durable.store import Store

_JOURNAL_NAME = "journal.sqlite"
_OBJECTS_NAME = "objects"


class SnapshotRefused(Exception):
    """The file is no snapshot, or there is something in its way; the message says what to do."""


def take_snapshot(ledger: Ledger, home: Path, target: Path) -> None:
    """Write the state of a running localcloud to a file, as it is at one instant."""
    _write(home, target, lambda journal, link: ledger.copy(journal, link))


def copy_home(home: Path, target: Path) -> None:
    """Write the state that lies in a home which no localcloud uses; `HomeInUse` when one does."""
    if not (home / JOURNAL).exists():
        raise SnapshotRefused(f"There is no state in {home}: name the folder with --home.")

    def copy(journal: Path, link: Callable[[str], None]) -> None:
        store = Store(home / JOURNAL)
        try:
            store.copy(journal)
            for file in list((home / OBJECTS).iterdir()):
                link(file.name)
        finally:
            store.close()

    _write(home, target, copy)


def restore_snapshot(source: Path, home: Path) -> None:
    """Put a snapshot in the place of a home's state.

    Raises
    ------
    SnapshotRefused
        When the file is no snapshot. The state that was there is still there.
    HomeInUse
        When a localcloud runs on the home.
    """
    draft = home / f"restore-{uuid.uuid4().hex}"
    draft.mkdir(parents=True)
    try:
        _unpack(source, draft)
        Store(draft / _JOURNAL_NAME).close()
        forget(home)
        (home / JOURNAL).parent.mkdir(exist_ok=True)
        shutil.rmtree(home / OBJECTS, ignore_errors=True)
        (draft / _OBJECTS_NAME).replace(home / OBJECTS)
        (draft / _JOURNAL_NAME).replace(home / JOURNAL)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(home: Path, target: Path, copy: Callable[[Path, Callable[[str], None]], None]) -> None:
    draft = home / f"snapshot-{uuid.uuid4().hex}"
    (draft / _OBJECTS_NAME).mkdir(parents=True)
    part = target.with_name(f"{target.name}.part")
    try:
        copy(draft / _JOURNAL_NAME, lambda name: os.link(home / OBJECTS / name, draft / _OBJECTS_NAME / name))
        with part.open("wb") as file:
            with tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(draft / _JOURNAL_NAME, _JOURNAL_NAME)
                for each in sorted((draft / _OBJECTS_NAME).iterdir()):
                    tar.add(each, f"{_OBJECTS_NAME}/{each.name}")
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(draft, ignore_errors=True)


def _unpack(source: Path, folder: Path) -> None:
    (folder / _OBJECTS_NAME).mkdir()
    try:
        with tarfile.open(source, mode="r:") as tar:
            for member in tar:
                _place(tar, member, folder)
    except (tarfile.TarError, OSError) as error:
        raise SnapshotRefused(f"{source} is no snapshot of localcloud ({error}).") from error
    if not (folder / _JOURNAL_NAME).exists():
        raise SnapshotRefused(f"{source} is no snapshot of localcloud: it holds no journal.")


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    place, _, name = member.name.rpartition("/")
    expected = member.name == _JOURNAL_NAME or (place == _OBJECTS_NAME and name not in {"", ".", ".."})
    content = tar.extractfile(member) if expected and member.isreg() else None
    if content is None:
        raise SnapshotRefused(f"The snapshot holds {member.name!r}, which no snapshot of localcloud does.")
    with content, (folder / place / name).open("wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
