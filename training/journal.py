"""A study's own record, kept among the checkpoints: written whole, so that a kill leaves the old one or the new one."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from ratchet.contract import sha256_file

RUNNING, COMPLETED, STOPPED, FAILED = "running", "completed", "stopped", "failed"
_FILE = "study.json"
_FORMAT = 1


@dataclass
class Entry:
    """One trial.

    Attributes
    ----------
    number
        From 1.
    series
        Every value of the objective that it reported; the last one counts.
    model
        SHA-256 of each file of the model that it left.
    """

    number: int
    parameters: Mapping[str, Any]
    state: str = RUNNING
    objective: Optional[float] = None
    series: List[float] = field(default_factory=list)
    seconds: float = 0.0
    message: str = ""
    model: Dict[str, str] = field(default_factory=dict)

    def tell(self) -> Dict[str, Any]:
        """What whoever follows the log wants to know."""
        names = ("number", "state", "parameters", "objective", "seconds", "message")
        return {name: getattr(self, name) for name in names}


class Journal:
    """The trials so far and the best one's model, in a folder that survives the machine.

    Parameters
    ----------
    folder
        Among the job's checkpoints.
    fingerprint
        Digest of what is searched and how: the record of another study is none of ours.
    """

    def __init__(self, folder: Path, fingerprint: str, *, maximize: bool) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.maximize = maximize
        self.entries: List[Entry] = []
        self.seconds = 0.0  # that earlier tries of the same job have used
        folder.mkdir(parents=True, exist_ok=True)
        self._read()

    @property
    def best(self) -> Optional[Entry]:
        """The completed trial with the best objective, the first of equals."""
        sign = 1 if self.maximize else -1
        found = [entry for entry in self.entries if entry.state == COMPLETED and entry.objective is not None]
        return max(found, key=lambda entry: (sign * (entry.objective or 0.0), -entry.number)) if found else None

    def place(self, number: int) -> Path:
        """Folder of a trial, shaped like /opt/ml."""
        return self.folder / "trials" / ("%03d" % number)

    def write(self) -> None:
        """Write the record beside the old one, then give it its name."""
        draft = self.folder / (_FILE + ".draft")
        body = {
            "format": _FORMAT,
            "fingerprint": self.fingerprint,
            "seconds": self.seconds,
            "trials": [asdict(entry) for entry in self.entries],
        }
        with draft.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(body, sort_keys=True))
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self.folder / _FILE)

    def settle(self, entry: Entry) -> None:
        """Write down how a trial ended, and only then remove what nobody needs any more: all models but the best."""
        if entry.state == COMPLETED:
            folder = self.place(entry.number) / "model"
            entry.model = {path.name: sha256_file(path) for path in sorted(folder.iterdir()) if path.is_file()}
        self.write()
        self.clean()

    def clean(self) -> None:
        """Remove the folders of ended trials; the best keeps its model."""
        best = self.best
        for entry in self.entries:
            if entry.state != RUNNING and entry is not best:
                shutil.rmtree(str(self.place(entry.number)), ignore_errors=True)

    def _read(self) -> None:
        try:
            raw = json.loads((self.folder / _FILE).read_text("utf-8"))
            entries = [Entry(**trial) for trial in raw["trials"]]
            known = raw["format"] == _FORMAT and raw["fingerprint"] == self.fingerprint
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            print("the study's record is not whole and is passed over", flush=True)
            return
        if not known:
            print("the study's record is of another search and is passed over", flush=True)
            shutil.rmtree(str(self.folder / "trials"), ignore_errors=True)
            return
        self.entries, self.seconds = entries, float(raw["seconds"])
        self._distrust_best()
        print("went on with a study of %d trials" % len(self.entries), flush=True)

    def _distrust_best(self) -> None:
        """A model that did not reach S3 whole before the machine went is made again, with the same values."""
        lost = self.best
        if lost is not None and not self.is_whole(lost):
            lost.state, lost.objective, lost.series, lost.model = RUNNING, None, [], {}

    def is_whole(self, entry: Entry) -> bool:
        """Whether the model that a trial left is still there."""
        folder = self.place(entry.number) / "model"
        try:
            return bool(entry.model) and all(sha256_file(folder / name) == it for name, it in entry.model.items())
        except OSError:
            return False
