"""Files of bytes that never change: bodies of objects, packages of functions. A name always leads to the same bytes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_KEPT = "kept-"
_BODY = "body-"
_REMEMBERED = 16


class Vault:
    """A folder of files.

    Parameters
    ----------
    folder
        Made when missing.
    condemn
        Called with the name of a file that nothing holds any more; removes it at once by default.
    is_durable
        Whether a finished file is to outlive a loss of power.
    """

    def __init__(self, folder: Path, condemn: Callable[[str], None] | None = None, *, is_durable: bool = False) -> None:
        self.folder = folder
        self._condemn = condemn or self.remove
        self._is_durable = is_durable
        self._lock = threading.Lock()
        self._holders: Counter[str] = Counter()
        self._digests: OrderedDict[int, tuple[bytes | str, str]] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)

    def create(self) -> tuple[str, BinaryIO]:
        """Return the name of a new file, and the file open for writing."""
        name = f"{_BODY}{uuid.uuid4().hex}"
        return name, (self.folder / name).open("wb", buffering=0)

    def finish(self, file: BinaryIO) -> None:
        """Bring a new file, whole, to the disk."""
        if self._is_durable:
            os.fsync(file.fileno())
            self.sync()

    def path(self, name: str) -> Path:
        """Return where a file lies."""
        return self.folder / Path(name).name

    def keep(self, content: bytes | str) -> str:
        """Keep bytes or a text under the name of their digest; the same ones are kept once."""
        known = self._digests.get(id(content))
        if known is not None and known[0] is content:
            return known[1]
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        name = f"{_KEPT}{hashlib.sha256(data).hexdigest()}"
        if not (self.folder / name).exists():
            self._keep_new(name, data)
        self.hold(name)  # for as long as this process runs; the next one asks for those that it needs
        self._digests[id(content)] = (content, name)
        if len(self._digests) > _REMEMBERED:
            self._digests.popitem(last=False)
        return name

    def _keep_new(self, name: str, data: bytes) -> None:
        draft = self.folder / f"draft-{uuid.uuid4().hex}"
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / name)
        self.sync()

    def fetch(self, name: str) -> bytes:
        """Return the bytes of a name, which are needed from now on."""
        self.hold(name)
        return self.path(name).read_bytes()

    def hold(self, name: str) -> None:
        """Note that somebody needs a file."""
        with self._lock:
            self._holders[name] += 1

    def release(self, name: str) -> None:
        """Note that somebody needs a file no more; without holders it is condemned."""
        with self._lock:
            self._holders[name] -= 1
            left = self._holders[name]
            if left <= 0:
                del self._holders[name]
        if left <= 0:
            self._condemn(name)

    def is_held(self, name: str) -> bool:
        """Whether somebody needs a file."""
        with self._lock:
            return self._holders[name] > 0

    def remove(self, name: str) -> None:
        """Remove a file; who has it open reads on."""
        with contextlib.suppress(FileNotFoundError):
            self.path(name).unlink()

    def sweep(self) -> None:
        """Remove every file that nobody holds: what a process that was killed left behind."""
        for file in list(self.folder.iterdir()):
            if not self.is_held(file.name):
                self.remove(file.name)

    def sync(self) -> None:
        """Make the names of new files outlive a loss of power."""
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
