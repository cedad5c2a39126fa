"""The second host gives up; the first would wait for ever."""

import json
import os
import signal
import sys
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
config = json.loads((base / "input" / "config" / "resourceconfig.json").read_text())
if config["hosts"].index(config["current_host"]):
    (base / "output" / "failure").write_text("host 2 gave up")
    sys.exit(3)
print("pid", os.getpid(), flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
