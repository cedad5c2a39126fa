"""Trains one epoch on one device, on two, and with scaled losses; prints sums of loss, hits and examples of each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import mxnet as mx
from mxnet.contrib import amp

from training.batches import Batches
from training.checkpoint import Progress
from training.learner import Learner
from training.precision import FULL, Precision
from training.shard import read_statistics, signature_of
from training.train import parse


def learn(folder: Path, contexts: list, precision: Precision = FULL, held_bytes: int = 2**30) -> list:
    signature = signature_of(read_statistics(folder, []))
    options = parse(["--network", "mlp", "--learning-rate", "0.01"])
    batches = Batches(folder, signature, size=16, threads=1, held_bytes=held_bytes)
    learner = Learner(batches, options, contexts, Path("best.params"), precision=precision)
    sums, _ = learner.learn(1, Progress(), lambda: False)
    return [*sums, *learner.validate()]


def main(folder: Path) -> None:
    one, two = mx.cpu(0), mx.cpu(1)
    found = {"one": learn(folder, [one]), "two": learn(folder, [one, two])}
    found["streamed"] = learn(folder, [one], held_bytes=0)
    # Last: it changes MXNet's operators for the whole process. A processor cannot multiply in 16 bits, so no operator
    # is told to; what is left are scaled losses, and steps that are left out when gradients overflow.
    amp.init(target_precision_ops=[], conditional_fp32_ops=[])
    mixed = Precision(mixed=True)
    found["mixed"] = learn(folder, [one], mixed)
    found["mixed on two"] = learn(folder, [one, two], mixed)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
