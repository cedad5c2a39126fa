"""Checkpoints that survive a kill between any two lines: written whole, checked when read, the newest good one wins."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Optional, Tuple

from ratchet.contract import sha256_file

PARAMS = "net.params"
BEST = "best.params"
STATES = "trainer.states"
ABOUT = "progress.json"
_KEPT = 2


@dataclass(frozen=True)
class Progress:
    """How far training has come after an epoch."""

    epoch: int = 0  # epochs that are complete
    best_epoch: int = 0
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    seed: int = 0

    def after(self, epoch: int, accuracy: float, loss: float) -> Tuple[Progress, bool]:
        """Progress after one more epoch, and whether it is the best so far."""
        better = (accuracy, -loss) > (self.best_accuracy, -self.best_loss)
        if better:
            return replace(self, epoch=epoch, best_epoch=epoch, best_accuracy=accuracy, best_loss=loss), True
        return replace(self, epoch=epoch), False


class Checkpoints:
    """A folder of checkpoints, one folder for each epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, progress: Progress, net: Any, trainer: Any, best: Path) -> None:
        """Write a checkpoint beside the others, then give it its name in one step."""
        draft = self.folder / ("draft-%04d" % progress.epoch)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        net.save_parameters(str(draft / PARAMS))
        trainer.save_states(str(draft / STATES))
        shutil.copyfile(str(best), str(draft / BEST))
        digests = {name: sha256_file(draft / name) for name in (PARAMS, STATES, BEST)}
        (draft / ABOUT).write_text(json.dumps({"progress": asdict(progress), "digests": digests}), "utf-8")
        final = self.folder / ("epoch-%04d" % progress.epoch)
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
        for old in sorted(self.folder.glob("epoch-*"))[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def find(self, seed: int) -> Optional[Tuple[Progress, Path]]:
        """The newest checkpoint that is whole and of this seed."""
        for folder in sorted(self.folder.glob("epoch-*"), reverse=True):
            progress = _read(folder)
            if progress is None:
                print("checkpoint %s is not whole and is passed over" % folder.name, flush=True)
            elif progress.seed == seed:
                return progress, folder
        return None


def _read(folder: Path) -> Optional[Progress]:
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        whole = all(sha256_file(folder / name) == digest for name, digest in about["digests"].items())
        return Progress(**about["progress"]) if whole and set(about["digests"]) == {PARAMS, STATES, BEST} else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
