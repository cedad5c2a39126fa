"""Tells its process id and its parent's, and runs until it is asked to stop; then it saves a model."""

import os
import signal
import sys
from pathlib import Path


def save(*_):
    """Leave a model within the grace period."""
    Path(os.environ["SM_MODEL_DIR"], "saved").write_text("in time")
    sys.exit(0)


signal.signal(signal.SIGTERM, save)
print("[metric] epoch=0; accuracy=0.25;")
print("pid", os.getpid(), os.getppid(), flush=True)
while True:
    signal.pause()
