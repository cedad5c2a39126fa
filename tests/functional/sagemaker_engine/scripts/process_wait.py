"""Leaves an output, tells its process id, and waits; it heeds a stop when it is polite."""

import os
import signal
import sys
from pathlib import Path

folder = Path(os.environ["SAGEMAKER_BASE_DIR"], "processing", "out")


def leave(*_):
    """Leave one more output within the grace period."""
    (folder / "last").write_text("in time")
    sys.exit(0)


signal.signal(signal.SIGTERM, leave if sys.argv[1] == "polite" else signal.SIG_IGN)
(folder / "first").write_text("early")
print("pid", os.getpid(), flush=True)
while True:
    signal.pause()
