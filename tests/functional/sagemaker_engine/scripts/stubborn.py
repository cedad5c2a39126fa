"""Tells its process id and ignores every request to stop."""

import os
import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pid", os.getpid(), flush=True)
while True:
    signal.pause()
