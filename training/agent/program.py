"""Runs the image's `train`: its lines, its limits, and an end that leaves nothing of it behind."""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional

_DRAIN_SECONDS = 5.0
_NOT_FOUND = 127
# In a container of SageMaker `train` is process 1, which a SIGTERM does not end: its script decides what one means.
_STAY = (
    "import runpy, signal, sys; signal.signal(signal.SIGTERM, lambda *_: None); "
    "sys.argv = sys.argv[1:]; sys.path[0] = sys.argv[0].rpartition('/')[0]; "
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


class EndedBy(enum.Enum):
    """What ended the program."""

    ITSELF = "exit"
    STOP = "stop"
    TIMEOUT = "timeout"
    NOTICE = "notice"
    FENCE = "fence"


class Program:
    """`train` as a process group of its own.

    Parameters
    ----------
    on_line
        Called with each line that it prints.
    """

    def __init__(self, environment: Dict[str, str], folder: Path, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._reason: Optional[EndedBy] = None
        self._wake = threading.Event()
        self._process = subprocess.Popen(
            find_train(environment.get("PATH", os.defpath)),
            env=environment,
            cwd=str(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="read", daemon=True)
        self._reader.start()

    def end(self, reason: EndedBy) -> None:
        """Ask it to end; the first reason counts. Safe in a signal's handler and in other threads."""
        if self._reason is None:
            self._reason = reason
        self._wake.set()

    def wait(self, limit_seconds: float, grace_seconds: float) -> EndedBy:
        """Wait for the end, which comes at the limit or at `end` with a grace; return what ended it."""
        deadline = time.monotonic() + limit_seconds
        while self._process.poll() is None and self._reason is None:
            if time.monotonic() > deadline:
                self._reason = EndedBy.TIMEOUT
                break
            self._wake.wait(0.2)
        reason = self._reason if self._process.poll() is None else None
        if reason is not None:
            self._stop(0.0 if reason is EndedBy.FENCE else grace_seconds)
        self._kill()  # what it started and left behind
        self._reader.join(_DRAIN_SECONDS)
        return reason or EndedBy.ITSELF

    @property
    def code(self) -> int:
        """The exit code, as a shell gives it to a process that died of a signal."""
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def _stop(self, grace_seconds: float) -> None:
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._kill()

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:  # cannot be: it is a pipe
            return
        with stream:
            for raw in iter(lambda: stream.readline(64 * 1024), b""):
                self._on_line(raw.decode("utf-8", errors="replace").rstrip("\r\n"))


def find_train(path: str) -> List[str]:
    """The command that runs the image's `train`, so that a SIGTERM ends its script alone."""
    train = shutil.which("train", path=path)
    if train is None:
        raise FileNotFoundError(_NOT_FOUND, "the image has no `train` on its PATH: install sagemaker-training in it")
    with Path(train).open("rb") as stream:
        is_python = b"python" in stream.readline(512)
    return [sys.executable, "-c", _STAY, train] if is_python else [train]
