"""Which pipelines listen to which dataset: read from the pipelines' files at every burst, so that an edit counts."""

from __future__ import annotations

from pathlib import Path

from ratchet.data.arrival import Listeners
from ratchet.errors import SpecError
from ratchet.spec import read_folder


def read_listeners(folder: Path) -> Listeners:
    """Read a folder of pipelines.

    Raises
    ------
    SpecError
        When there is no such folder: then nobody could tell a foreign event from one of ours.
    """
    if not folder.is_dir():
        raise SpecError(f"there is no folder of pipelines at {folder.resolve()}; RATCHET_PIPELINES says where it is")
    found: dict[str, set[str]] = {}
    complete = True
    for _, pipeline in read_folder(folder):
        if isinstance(pipeline, SpecError):
            complete = False
        else:
            found.setdefault(pipeline.data.dataset, set()).add(pipeline.name)
    return Listeners({dataset: frozenset(names) for dataset, names in found.items()}, complete)
