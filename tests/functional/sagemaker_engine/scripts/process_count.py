"""Counts the rows of the files in a folder, and tells what SageMaker's files say about the job."""

import json
import os
import sys
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
rows = [line for file in sorted(Path(sys.argv[1]).glob("*.csv")) for line in file.read_text().split()]
config = json.loads((base / "config" / "processingjobconfig.json").read_text())
resources = json.loads((base / "config" / "resourceconfig.json").read_text())
print("counted", len(rows), "for", config["ProcessingJobName"], "on", len(resources["hosts"]), os.environ["FLAVOUR"])
target = Path(os.environ["TARGET"], "deep")
target.mkdir()
(target / f"{resources['hosts'].index(resources['current_host'])}.txt").write_text(",".join(rows))
(base / "output" / "message").write_text(f"counted {len(rows)} rows")
