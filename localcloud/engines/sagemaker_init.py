"""Stands in for process 1 of a training container: runs the toolkit's `train`, which a SIGTERM does not end.

Linux gives process 1 no signal that it has no handler for. Outside a container `train` would die of the SIGTERM that
announces a stop, and take the script with it before the script could save anything. Children start with the default
handlers, so the script itself decides what a SIGTERM means.

Run as a script by the training image's interpreter. Argument: the `train` command, as installed beside it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys


def _stay(_number: int, _frame: object) -> None:
    """Let the script finish; whoever sent the signal kills us after the grace period."""


def main(train: str) -> None:
    """Run `train` as if it had been started itself."""
    signal.signal(signal.SIGTERM, _stay)
    sys.argv = [train]
    sys.path[0] = os.path.dirname(train)  # noqa: PTH120 - what the interpreter itself would put there
    runpy.run_path(train, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
