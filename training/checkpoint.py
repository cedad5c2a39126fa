"""Checkpoints that survive a kill between any two lines: written whole, checked when read, the newest good one wins."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ratchet.contract import sha256_file

PARAMS = "net.params"
BEST = "best.params"
STATES = "optimizer.params"
ABOUT = "progress.json"
_DRAFT = "draft"
_KEPT = 2
_LEAST_GAIN = 1e-4  # nats; a loss that creeps would keep a training alive for ever


@dataclass(frozen=True)
class Progress:
    """How far training has come.

    Attributes
    ----------
    epoch
        Epochs that are complete.
    steps
        Batches of the next epoch that are done: more than 0 only when training was interrupted within it.
    sums
        Loss, hits and examples of those batches.
    updates
        Updates of the weights so far.
    best_epoch, best_accuracy, best_loss
        The epoch with the best validation accuracy, at equal accuracy with a loss that is smaller by 0.0001 or more.
    history
        Metrics of every complete epoch.
    """

    epoch: int = 0
    steps: int = 0
    sums: Tuple[float, float, int] = (0.0, 0.0, 0)
    updates: int = 0
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    history: Tuple[Mapping[str, float], ...] = field(default=())

    def after(self, metrics: Mapping[str, float], updates: int) -> Progress:
        """Progress after one more complete epoch."""
        epoch, accuracy, loss = self.epoch + 1, metrics["validation_accuracy"], metrics["validation_loss"]
        done = replace(
            self, epoch=epoch, steps=0, sums=(0.0, 0.0, 0), updates=updates, history=(*self.history, metrics)
        )
        if accuracy > self.best_accuracy or (accuracy == self.best_accuracy and loss < self.best_loss - _LEAST_GAIN):
            return replace(done, best_epoch=epoch, best_accuracy=accuracy, best_loss=loss)
        return done

    def is_over(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or nothing got better for too long."""
        return self.epoch >= epochs or self.epoch - self.best_epoch >= patience

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Progress:
        """From JSON, where tuples are lists."""
        return cls(**{**raw, "sums": tuple(raw["sums"]), "history": tuple(raw["history"])})


class Checkpoints:
    """A folder of checkpoints, each a folder of its own.

    Parameters
    ----------
    folder
        Where they lie; SageMaker keeps it and its S3 prefix alike, and deletes nothing there.
    fingerprint
        Digest of data and hyperparameters: a checkpoint of another training is none of ours.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint

    def save(self, progress: Progress, write: Callable[[Path], None]) -> None:
        """Write a checkpoint beside the others, then give it its name in one step.

        Parameters
        ----------
        progress
            What the checkpoint stands for.
        write
            Writes `PARAMS`, `STATES` and, once there is a best epoch, `BEST` into the folder it is given.
        """
        draft, final = self.folder / _DRAFT, self.folder / ("epoch-%04d-%07d" % (progress.epoch, progress.steps))
        shutil.rmtree(str(draft), ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        digests = {path.name: sha256_file(path) for path in sorted(draft.iterdir())}
        about = {"fingerprint": self.fingerprint, "progress": asdict(progress), "digests": digests}
        (draft / ABOUT).write_text(json.dumps(about, sort_keys=True), "utf-8")
        shutil.rmtree(str(final), ignore_errors=True)
        draft.rename(final)
        for old in self._all()[:-_KEPT]:
            shutil.rmtree(str(old), ignore_errors=True)

    def find(self) -> Optional[Tuple[Progress, Path]]:
        """The newest checkpoint that is whole and of this training."""
        for folder in reversed(self._all()):
            about = _read(folder)
            if about is None:
                print("checkpoint %s is not whole and is passed over" % folder.name, flush=True)
            elif about["fingerprint"] != self.fingerprint:
                print("checkpoint %s is of another training and is passed over" % folder.name, flush=True)
            else:
                return Progress.read(about["progress"]), folder
        return None

    def _all(self) -> List[Path]:
        return sorted(self.folder.glob("epoch-*"))


def _read(folder: Path) -> Optional[Dict[str, Any]]:
    try:
        about: Dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
        needed = {PARAMS, STATES} | ({BEST} if Progress.read(about["progress"]).best_epoch else set())
        digests = about["digests"]
        whole = needed <= set(digests) and all(sha256_file(folder / name) == digests[name] for name in needed)
        return about if whole and isinstance(about["fingerprint"], str) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
