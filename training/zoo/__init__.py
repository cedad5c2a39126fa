"""Networks, one file each: `build(classes, channels)` gives a Gluon block that answers with logits."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, List

from training.container import DataProblem


def names() -> List[str]:
    """Every network there is a file for."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def build(name: str, classes: int, channels: int) -> Any:
    """Build a network by its file's name; `DataProblem` lists those that exist."""
    if name not in names():
        raise DataProblem("there is no network %r; there is: %s" % (name, ", ".join(names())))
    return importlib.import_module("training.zoo." + name).build(classes, channels)
