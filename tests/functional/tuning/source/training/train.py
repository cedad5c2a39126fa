"""A training of no time: the score is best, 1, at x = 2; `sick` trials fail, `silent` ones say nothing."""

import argparse
import json
import os
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ratchet.contract import ARTEFACT_FILES, PARAMS_FILE, metric_line, write_manifest

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float, default=0.0)
parser.add_argument("--kind", default="well")
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--gate", default="", help="wait until this file is there")
parser.add_argument("--linger-below", type=float, help="a score below it never ends by itself")
options, _ = parser.parse_known_args()
given = vars(options)
if os.environ.get("CUDA_VISIBLE_DEVICES"):
    print("gpu", os.environ["CUDA_VISIBLE_DEVICES"], "of", os.environ["SM_NUM_GPUS"], flush=True)
print("given", json.dumps(given, sort_keys=True), flush=True)
if options.kind == "sick":
    failure = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"), "failure")
    failure.write_text("this trial fails, as it was told to")
    sys.exit(1)
while options.gate and not Path(options.gate).exists():
    time.sleep(0.02)
for epoch in range(1, options.epochs + 1) if options.kind != "silent" else ():
    score = 1 - (options.x - 2) ** 2 - 0.001 * (options.epochs - epoch)
    print(metric_line({"epoch": epoch, "score": score}), flush=True)
while options.linger_below is not None and score < options.linger_below:
    time.sleep(0.02)
model = Path(os.environ["SM_MODEL_DIR"])
for name in ARTEFACT_FILES:
    (model / name).write_text(json.dumps(given, sort_keys=True) + name)
# MXNet's form of a list of no arrays.
(model / PARAMS_FILE).write_bytes(struct.pack("<QQQQ", 0x112, 0, 0, 0))
write_manifest(model)
