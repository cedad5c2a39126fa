"""Leaves one checkpoint; the first run of it then waits for ever, a later one has finished."""

import os
import signal
from pathlib import Path

folder = Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints")
before = sorted(path.name for path in folder.iterdir())
print("resumed from", before, flush=True)
(folder / f"epoch-{len(before)}").write_text(str(len(before)))
while not before:
    signal.pause()
