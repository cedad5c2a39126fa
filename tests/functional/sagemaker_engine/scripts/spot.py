"""Counts epochs, keeps the count as a checkpoint, and ends after the fourth."""

import os
import signal
import sys
import time
from pathlib import Path

checkpoint = Path(os.environ["SAGEMAKER_BASE_DIR"], "checkpoints", "epoch")
first = int(checkpoint.read_text()) + 1 if checkpoint.is_file() else 0
print("resumed at", first, flush=True)


def leave(*_):
    """Say that the notice was heard."""
    print("told to leave", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
for epoch in range(first, 4):
    print(f"[metric] epoch={epoch};", flush=True)
    checkpoint.write_text(str(epoch))
    if epoch == 1 and first == 0:
        while True:  # until the notice comes
            signal.pause()
    time.sleep(0.3)
Path(os.environ["SAGEMAKER_BASE_DIR"], "model", "epochs").write_text("4")
