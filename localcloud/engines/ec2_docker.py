"""Docker on an instance: a `docker` in its folder, and the table of what stands in for which image."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

from localcloud.runtime import Runtimes

_STAND_IN = Path(__file__).with_name("docker_stand_in.py")


def write_docker(program: Path, table: Path, runtimes: Runtimes) -> None:
    """Write the program and its table.

    Parameters
    ----------
    program
        Where scripts find `docker`.
    table
        A JSON file, in order: the first pattern that matches an image wins.
    """
    entries = [
        {"image": found.image, "python": str(found.python), "environment": found.environment()}
        for found in runtimes.images
    ]
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(json.dumps(entries), encoding="utf-8")
    words = [sys.executable, "-I", "-S", str(_STAND_IN), str(table)]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
