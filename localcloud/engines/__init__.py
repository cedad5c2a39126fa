"""The engines: every module here with a function `engine()` is one, and is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection
from pathlib import Path

from localcloud.engine import Engine


def engine_names() -> list[str]:
    """Return the names of all engines, without loading one."""
    names = []
    for found in pkgutil.iter_modules(__path__):
        source = Path(__path__[0], f"{found.name}.py").read_text("utf-8")
        if "\ndef engine(" in source:
            names.append(found.name.rstrip("_"))
    return names


def load_engines(only: Collection[str] | None = None) -> list[Engine]:
    """Make one of each engine, in the order of their modules' names.

    Parameters
    ----------
    only
        Names of modules to load; all by default.
    """
    engines: list[Engine] = []
    for found in pkgutil.iter_modules(__path__):
        if only is not None and found.name.rstrip("_") not in only:
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        make = getattr(module, "engine", None)
        if make is not None:
            engines.append(make())
    return engines
