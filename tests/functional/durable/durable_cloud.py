"""A localcloud as a process of its own, which can be killed and started again on the same folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 240.0


class Process:
    """`python -m localcloud` on a folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        self._environment: dict[str, str] = {}
        self._ready = home / "ready.json"
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> float:
        """Start, and return the seconds until it answered."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._ready.unlink(missing_ok=True)
        began = time.monotonic()
        argv = ["-m", "localcloud", "--home", str(self.home), "--port", "0", "--ready-file", str(self._ready), *options]
        with (self.home / "log").open("ab") as log:
            self._child = subprocess.Popen(
                [sys.executable, *argv], cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        while not self._ready.exists():
            assert self._child.poll() is None, (self.home / "log").read_text()
            assert time.monotonic() - began < _START_SECONDS
            time.sleep(0.02)
        found = json.loads(self._ready.read_text())
        self.url, self._environment = found["url"], found["environment"]
        return time.monotonic() - began

    def kill(self) -> None:
        """End it as a loss of power would."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait()
        self._child = None

    def stop(self) -> None:
        """End it as Ctrl-C would; nothing happens when it has ended."""
        if self._child is not None:
            self._child.terminate()
            self._child.wait(60)
            self._child = None

    def client(self, service: str) -> Any:
        """Return a client that does not try again."""
        config = Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=60)
        return boto3.client(
            service,
            endpoint_url=self.url,
            config=config,
            region_name="us-east-1",
            aws_access_key_id=self._environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._environment["AWS_SECRET_ACCESS_KEY"],
        )
