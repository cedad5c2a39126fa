"""Runs `tune.py` the way script mode does, with the training of no time for its trials."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tuning_world import write_source

from localcloud.runtime import ROOT

PYTHON = ROOT / ".venv-mxnet" / "bin" / "python"
_LIMIT_SECONDS = 120
X = {"name": "x", "type": "continuous", "low": 0.0, "high": 10.0, "scaling": "linear"}
ORDER = {
    "strategy": "random",
    "metric": "score",
    "maximize": True,
    "jobs": 5,
    "seconds": None,
    "parallel": 2,
    "early_stopping": False,
    "rounds": None,
    "seed": 7,
    "ranges": [X],
}


class TuneJob:
    """One job in a folder shaped like /opt/ml; a second run finds the first one's checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channels: dict[str, Path] = {}
        self.gpus = 0
        self.log = ""
        if not (folder / "source").exists():
            write_source(folder / "source")

    @property
    def record(self) -> dict[str, Any]:
        """What the study remembers."""
        return json.loads((self.folder / "checkpoints/study/study.json").read_text())

    @property
    def table(self) -> dict[str, Any]:
        """What the job leaves for people."""
        return json.loads((self.folder / "output/data/study.json").read_text())

    @property
    def reason(self) -> str:
        return (self.folder / "output/failure").read_text()

    @property
    def tried(self) -> list[dict[str, Any]]:
        """The values of every trial."""
        return [trial["parameters"] for trial in self.record["trials"]]

    def start(self, order: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        for name in ("model", "output/data"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "SAGEMAKER_BASE_DIR": str(self.folder),
            "SM_MODEL_DIR": str(self.folder / "model"),
            "SM_OUTPUT_DIR": str(self.folder / "output"),
            "SM_OUTPUT_DATA_DIR": str(self.folder / "output/data"),
            "SM_NUM_GPUS": str(self.gpus),
            **{f"SM_CHANNEL_{name.upper()}": str(path) for name, path in self.channels.items()},
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        return subprocess.Popen(
            [str(PYTHON), "source/training/tune.py", "--study", json.dumps(ORDER | order), *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> int:
        try:
            self.log = process.communicate(timeout=_LIMIT_SECONDS)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode

    def must(self, order: dict[str, Any], **options: Any) -> TuneJob:
        assert self.finish(self.start(order, **options)) == 0, self.log
        return self
