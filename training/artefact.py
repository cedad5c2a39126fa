"""The artefact of a training: the best epoch's network and all that is needed to serve it, under one manifest."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict

import mxnet as mx

from ratchet.contract import CONTRACT_VERSION, LABELS_FILE, METRICS_FILE, SIGNATURE_FILE, write_manifest
from training.checkpoint import Progress
from training.learner import Learner

_PREFIX = "model"  # what SYMBOL_FILE and PARAMS_FILE begin with


def export(learner: Learner, progress: Progress, statistics: Dict[str, Any], target: Path) -> None:
    """Write symbol, parameters, signature, labels, metrics and manifest of the best epoch into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    signature = learner.batches.signature
    learner.net.load_parameters(str(learner.best), ctx=learner.contexts)
    learner.probe()
    learner.net.export(str(target / _PREFIX), epoch=0)
    (target / SIGNATURE_FILE).write_text(json.dumps(signature.to_json(), sort_keys=True), "utf-8")
    (target / LABELS_FILE).write_text("".join(label + "\n" for label in signature.labels), "utf-8")
    metrics = describe(learner, progress, statistics)
    (target / METRICS_FILE).write_text(json.dumps(metrics, sort_keys=True), "utf-8")
    write_manifest(target)


def describe(learner: Learner, progress: Progress, statistics: Dict[str, Any]) -> Dict[str, Any]:
    """What `metrics.json` holds: the best epoch's figures, all epochs, and what it takes to train the same again."""
    options = {name: value for name, value in vars(learner.options).items() if name != "checkpoint_dir"}
    return {
        "contract_version": CONTRACT_VERSION,
        "best_epoch": progress.best_epoch,
        "epochs": progress.epoch,
        "validation_accuracy": progress.best_accuracy,
        "validation_loss": progress.best_loss,
        "history": list(progress.history),
        "hyperparameters": options,
        "dataset": statistics["dataset"],
        "dataset_version": statistics["dataset_version"],
        "shards": statistics["shards"],
        "precision": "amp" if learner.precision.mixed else "fp32",
        "devices": [str(context) for context in learner.contexts],
        "hosts": learner.group.place.size,
        "threads": int(os.environ["OMP_NUM_THREADS"]),
        "mxnet": mx.__version__,
    }
