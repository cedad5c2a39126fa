"""One trial as a process of its own, in a folder shaped like /opt/ml and with a GPU or a share of the processors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Queue
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ratchet.contract import METRIC_PREFIX, metric_regex
from training.container import Container, processors

_FOLDERS = {"SM_MODEL_DIR": "model", "SM_OUTPUT_DIR": "output", "SM_OUTPUT_DATA_DIR": "output/data"}
_SHOWN_PREFIX = "[metric]"  # not the contract's own: a job's metrics are the best trial's, told at the end
_GRACE_SECONDS = 30.0
_LONGEST_REASON = 500
Line = Tuple[int, Optional[str]]  # a trial's number and what it printed; None when it has ended


class Slot(NamedTuple):
    """Where one trial at a time runs: a GPU, or so many threads."""

    gpu: Optional[int]
    threads: int


def find_slots(gpus: int, parallel: int) -> List[Slot]:
    """One slot for each GPU; without any, as many as are asked for share the processors."""
    if gpus:
        return [Slot(number, max(1, processors() // gpus)) for number in range(gpus)]
    return [Slot(None, max(1, processors() // parallel)) for _ in range(parallel)]


class TrialProcess:
    """A trial that runs.

    Parameters
    ----------
    number
        Of the trial.
    folder
        Its /opt/ml: what lies there from an earlier try lets it go on.
    slot
        Where it runs.
    command
        The program and its options.
    told
        Gets every line, and None at the end.
    """

    def __init__(self, number: int, folder: Path, slot: Slot, *, command: List[str], told: "Queue[Line]") -> None:
        self.number = number
        self.slot = slot
        self._folder = folder
        self._started = time.monotonic()
        self._stopped_at: Optional[float] = None
        for name in (*_FOLDERS.values(), "checkpoints"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        failure = folder / "output" / "failure"  # of an earlier try
        if failure.exists():
            failure.unlink()
        self._process = subprocess.Popen(
            command,
            env=trial_environment(os.environ, folder, slot, command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, args=(told,), daemon=True)
        self._reader.start()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self._started

    @property
    def was_stopped(self) -> bool:
        """Whether it was asked to end."""
        return self._stopped_at is not None

    def stop(self) -> None:
        """Ask it to end: it may still write a checkpoint."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self._process.terminate()

    def insist(self) -> None:
        """End what ignores that it was asked."""
        if self._stopped_at is not None and time.monotonic() - self._stopped_at > _GRACE_SECONDS:
            self._process.kill()

    def end(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def explain(self) -> str:
        """Why it failed; empty when it did not."""
        code = self._process.wait()
        left = [path for path in (self._folder / "model").iterdir() if path.is_file()]
        if code == 0:
            return "" if left else "it ended well and left no model in SM_MODEL_DIR"
        try:
            reason = (self._folder / "output" / "failure").read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            reason = ""
        return reason[:_LONGEST_REASON] or "it ended with exit code %d" % code

    def _read(self, told: "Queue[Line]") -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for raw in self._process.stdout:
            told.put((self.number, raw.decode("utf-8", "replace").rstrip("\n")))
        self._process.wait()
        told.put((self.number, None))


def trial_environment(parent: Mapping[str, str], folder: Path, slot: Slot, command: List[str]) -> Dict[str, str]:
    """The job's own surroundings with the trial's folders, its GPU and its threads."""
    found = {name: value for name, value in parent.items() if not name.startswith("SM_HP")}
    found.update({name: str(folder / path) for name, path in _FOLDERS.items()})
    found.update(
        SAGEMAKER_BASE_DIR=str(folder),
        OMP_NUM_THREADS=str(slot.threads),
        SM_NUM_GPUS="0" if slot.gpu is None else "1",
        SM_USER_ARGS=json.dumps(command[2:]),
        PYTHONUNBUFFERED="1",
    )
    if slot.gpu is not None:
        # A machine that is shared may have given this job some of its GPUs alone.
        given = [name for name in parent.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        found["CUDA_VISIBLE_DEVICES"] = given[slot.gpu] if slot.gpu < len(given) else str(slot.gpu)
    return found


def trial_command(program: Path, fixed: List[str], values: Mapping[str, Any]) -> List[str]:
    """The program with what is fixed and what is searched, as script mode's options."""
    options = [part for name, value in values.items() for part in ("--" + name, str(value))]
    return [sys.executable, str(program), *fixed, *options]


def make_reader(metric: str) -> Callable[[str], Optional[float]]:
    """What reads the objective from a line."""
    pattern = re.compile(metric_regex(metric))

    def read(line: str) -> Optional[float]:
        found = pattern.search(line)
        try:
            return float(found.group(1)) if found else None
        except ValueError:
            return None

    return read


def show(number: int, line: str) -> str:
    """A trial's line in the job's log."""
    return "[%d] %s" % (number, line.replace(METRIC_PREFIX, _SHOWN_PREFIX))


def checkpoint_folder(container: Container, chosen: Optional[Path]) -> Path:
    """Where the study is kept."""
    return (chosen or container.checkpoint_folder) / "study"
