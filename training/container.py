"""What script mode tells a program: its channels, where its results go, and how many processors it may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable, Mapping, Optional


class DataProblem(Exception):
    """The data or the request cannot be worked with; the message says why and what to do."""


class Container:
    """The job's surroundings, from `SM_*` variables.

    Parameters
    ----------
    environment
        The process's environment.
    """

    def __init__(self, environment: Optional[Mapping[str, str]] = None) -> None:
        self._environment = os.environ if environment is None else environment

    def channel(self, name: str) -> Path:
        """Folder of an input channel; `DataProblem` when the job has none of that name."""
        found = self.find_channel(name)
        if found is None:
            raise DataProblem("the job has no input channel %r: add it to InputDataConfig" % name)
        return found

    def find_channel(self, name: str) -> Optional[Path]:
        """Folder of an input channel, or None."""
        value = self._environment.get("SM_CHANNEL_" + name.upper())
        return Path(value) if value else None

    @property
    def model_folder(self) -> Path:
        """What lies here when the program ends becomes `model.tar.gz`."""
        return Path(self._environment.get("SM_MODEL_DIR", "/opt/ml/model"))

    @property
    def checkpoint_folder(self) -> Path:
        """What lies here survives an interruption."""
        base = self._environment.get("SAGEMAKER_BASE_DIR", "/opt/ml")
        return Path(base) / "checkpoints"

    @property
    def gpus(self) -> int:
        """How many GPUs the job may use."""
        return int(self._environment.get("SM_NUM_GPUS", "0") or 0)


def processors() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0))


def set_threads() -> None:
    """Fix the number of threads before MXNet is imported: left alone, it takes nearly twice as long."""
    os.environ.setdefault("OMP_NUM_THREADS", str(processors()))


def run(main: Callable[[], None]) -> None:
    """Run a program; a problem with the data ends it with one sentence, anything else with its trace."""
    try:
        main()
    except DataProblem as problem:
        sys.stderr.write("%s: %s\n" % (type(problem).__name__, problem))
        _explain_failure(str(problem))
        sys.exit(1)


def _explain_failure(sentence: str) -> None:
    """Leave the sentence where SageMaker looks for a job's FailureReason."""
    output = os.environ.get("SM_OUTPUT_DIR")
    if output:
        Path(output).mkdir(parents=True, exist_ok=True)
        (Path(output) / "failure").write_text(sentence, "utf-8")
