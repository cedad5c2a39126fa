"""AWS's toolkit without its seconds: hyperparameters become options, folders become `SM_*` variables."""

import json
import os
import sys
from pathlib import Path

base = Path(os.environ["SAGEMAKER_BASE_DIR"])
source = Path(__file__).parents[1] / "source"
given = json.loads((base / "input" / "config" / "hyperparameters.json").read_text())
program = json.loads(given["sagemaker_program"])
plain = {name: json.loads(text) for name, text in given.items() if not name.startswith(("sagemaker_", "_"))}
arguments = [part for name, value in plain.items() for part in (f"--{name}", str(value))]
channels = {
    f"SM_CHANNEL_{path.name.upper()}": str(path) for path in (base / "input" / "data").iterdir() if path.is_dir()
}
folders = {
    "SM_MODEL_DIR": base / "model",
    "SM_OUTPUT_DIR": base / "output",
    "SM_OUTPUT_DATA_DIR": base / "output" / "data",
}
for folder in folders.values():
    folder.mkdir(parents=True, exist_ok=True)
environment = {**os.environ, **channels, **{name: str(path) for name, path in folders.items()}}
os.execve(sys.executable, [sys.executable, str(source / program), *arguments], environment)
