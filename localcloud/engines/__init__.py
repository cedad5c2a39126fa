"""The engines: every module here with a function `engine()` is one, and is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection

from localcloud.engine import Engine


def load_engines(only: Collection[str] | None = None) -> list[Engine]:
    """Make one of each engine, in the order of their modules' names.

    Parameters
    ----------
    only
        Names of modules to load; all by default.
    """
    engines: list[Engine] = []
    for found in pkgutil.iter_modules(__path__):
        if only is not None and found.name not in only:
            continue
        module = importlib.import_module(f"{__name__}.{found.name}")
        make = getattr(module, "engine", None)
        if make is not None:
            engines.append(make())
    return engines
