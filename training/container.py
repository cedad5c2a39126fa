"""What script mode tells a program: its channels, where its results go, and how it says why it failed."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Callable, List, Mapping, NoReturn, Optional

_BASE = "/opt/ml"
_TERMINATED = 143  # 128 + SIGTERM, what a shell gives a process that the signal ended


class DataProblem(Exception):
    """The data or the request cannot be worked with; the message says why and what to do."""


class Interrupted(Exception):
    """SIGTERM came and what was done is saved; the message says where a repeat goes on."""


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
        return Path(self._environment.get("SM_MODEL_DIR") or self._base / "model")

    @property
    def checkpoint_folder(self) -> Path:
        """What lies here survives an interruption: CheckpointConfig's default LocalPath."""
        return self._base / "checkpoints"

    @property
    def failure_file(self) -> Path:
        """Where SageMaker looks for a job's FailureReason."""
        return Path(self._environment.get("SM_OUTPUT_DIR") or self._base / "output") / "failure"

    @property
    def scratch_parent(self) -> Optional[Path]:
        """Where large temporary files fit: the job's own volume; None for the system's default."""
        folder = self.model_folder.parent
        return folder if os.access(str(folder), os.W_OK) else None

    @property
    def gpus(self) -> int:
        """How many GPUs the job may use."""
        return int(self._environment.get("SM_NUM_GPUS") or 0)

    @property
    def hosts(self) -> List[str]:
        """Names of the machines that work on this job; one name, or none, when there is one."""
        return [str(name) for name in json.loads(self._environment.get("SM_HOSTS") or "[]")]

    @property
    def current_host(self) -> str:
        """Which of them this one is."""
        return self._environment.get("SM_CURRENT_HOST", "")

    @property
    def _base(self) -> Path:
        return Path(self._environment.get("SAGEMAKER_BASE_DIR") or _BASE)


class Stop:
    """Set by SIGTERM: SageMaker wants the job to end and gives it two minutes."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take SIGTERM from now on."""
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: Any) -> None:
        self.asked = True


class Arguments(argparse.ArgumentParser):
    """Hyperparameters as options; a wrong one is a problem with one sentence, not a page of usage."""

    def __init__(self, description: Optional[str]) -> None:
        super().__init__(description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse what was given."""
        raise DataProblem("a hyperparameter is wrong: %s. Correct it in the pipeline's file" % message)


def at_least(least: float, kind: Callable[[str], float]) -> Callable[[str], float]:
    """A type for `add_argument`: a number of `kind` that is `least` or more."""

    def read(text: str) -> float:
        value = kind(text)
        if not value >= least or value == float("inf"):
            raise argparse.ArgumentTypeError("%s is not %g or more" % (text, least))
        return value

    return read


def processors() -> int:
    """How many processors this process may run on."""
    return len(os.sched_getaffinity(0))


def set_threads(count: int = 0) -> int:
    """Fix the number of threads before MXNet is imported: left alone, it takes nearly twice as long.

    Parameters
    ----------
    count
        0 for what `OMP_NUM_THREADS` says, or else every processor this process may run on.

    Returns
    -------
    The number of threads.
    """
    chosen = count or int(os.environ.get("OMP_NUM_THREADS") or 0) or processors()
    os.environ["OMP_NUM_THREADS"] = str(chosen)
    return chosen


def run(main: Callable[[], None]) -> None:
    """Run a program and leave the reason of its failure, one sentence, where SageMaker reads it."""
    try:
        main()
    except DataProblem as problem:
        sys.stderr.write("%s: %s\n" % (type(problem).__name__, problem))
        _explain_failure(str(problem))
        sys.exit(1)
    except Interrupted as interrupted:
        sys.stderr.write("%s\n" % interrupted)
        _explain_failure(str(interrupted))
        sys.exit(_TERMINATED)
    except Exception as error:
        first_line = (str(error).strip().splitlines() or [""])[0]
        _explain_failure("%s: %s (the job's log has the trace)" % (type(error).__name__, first_line))
        raise


def _explain_failure(sentence: str) -> None:
    # SageMaker shows the first 1024 characters.
    target = Container().failure_file
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(sentence[:1024], "utf-8")
    except OSError as error:
        sys.stderr.write("the reason could not be written to %s: %s\n" % (target, error))
