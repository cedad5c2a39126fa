"""Challenger and champion on the same frozen test split: figures, slices, confusion, report and smoke examples."""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from training.container import Container, DataProblem, run, set_threads

set_threads()

import mxnet as mx  # noqa: E402 - the threads are counted when it is imported
import numpy as np  # noqa: E402

from ratchet.contract import (  # noqa: E402
    ARCHIVE_FILE,
    CONTRACT_VERSION,
    PARAMS_FILE,
    REPORT_JSON,
    SHARD_NAME,
    SIGNATURE_FILE,
    SMOKE_FILE,
    SYMBOL_FILE,
    ContractError,
    Signature,
    metric_line,
    sha256_file,
    unpack_archive,
    verify_manifest,
)
from training.imagery import decode  # noqa: E402
from training.measure import choose_examples, measure, softmax  # noqa: E402
from training.report import write_report  # noqa: E402
from training.shard import open_prepared, read_records, read_statistics  # noqa: E402

_BATCH = 64
_SMOKE_EXAMPLES = 10


class Model:
    """An artefact, checked and loaded.

    Parameters
    ----------
    channel
        Folder that holds its `model.tar.gz`.
    digest
        SHA-256 that the archive must have.
    scratch
        An empty folder for it.
    """

    def __init__(self, channel: Path, digest: str, scratch: Path) -> None:
        archive = channel / ARCHIVE_FILE
        scratch.mkdir(parents=True)
        try:
            _refuse_other(archive, digest)
            unpack_archive(archive, scratch)
            verify_manifest(scratch)
            self.signature = Signature.from_json(json.loads((scratch / SIGNATURE_FILE).read_text("utf-8")))
        except (ContractError, OSError, ValueError) as error:
            raise DataProblem("the model in channel %r is refused: %s" % (channel.name, error)) from error
        self._net = mx.gluon.SymbolBlock.imports(
            str(scratch / SYMBOL_FILE), [self.signature.input_name], str(scratch / PARAMS_FILE)
        )

    def answer(self, pngs: Sequence[bytes]) -> np.ndarray:
        """Probabilities for images, shape (images, classes)."""
        outputs = []
        for start in range(0, len(pngs), _BATCH):
            batch = np.stack([self._feed(png) for png in pngs[start : start + _BATCH]])
            outputs.append(self._net(mx.nd.array(batch)).asnumpy())
        logits = np.concatenate(outputs)
        return softmax(logits) if self.signature.output == "logits" else logits

    def _feed(self, png: bytes) -> np.ndarray:
        signature = self.signature
        image = decode(png, signature.channels, signature.height, signature.width)
        pixels = np.atleast_3d(np.asarray(image, dtype=np.float32))
        normal = (pixels - np.array(signature.mean)) * signature.scale / np.array(signature.std)
        return normal.transpose(2, 0, 1).astype(np.float32)


def _refuse_other(archive: Path, digest: str) -> None:
    actual = sha256_file(archive)
    if actual != digest:
        raise ContractError("it has SHA-256 %s, expected %s" % (actual, digest))


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--challenger-sha256", required=True)
    parser.add_argument("--champion-sha256", default="")
    return parser.parse_args(arguments)


def examine(
    model: Model, pngs: List[bytes], truth: np.ndarray, labels: Sequence[str]
) -> Tuple[Dict[str, Any], np.ndarray]:
    """Measure one model; its outputs are put into the order of `labels` first."""
    own = model.signature.labels
    probabilities = model.answer(pngs)
    ordered = np.zeros((len(pngs), len(labels)))
    for number, label in enumerate(labels):
        # A champion from before a class was added never says that class.
        if label in own:
            ordered[:, number] = probabilities[:, own.index(label)]
    return measure(ordered, truth, labels), ordered


def make_smoke(keys: Sequence[str], pngs: Sequence[bytes], truth: np.ndarray, said: Dict[str, Any]) -> Dict[str, Any]:
    """Examples with the challenger's own answers: what every serving process has to say too.

    `said` holds `probabilities`, shape (examples, classes), `correct` and `labels`.
    """
    labels, probabilities = said["labels"], said["probabilities"]
    examples = [
        {
            "key": keys[number],
            "image_base64": base64.b64encode(pngs[number]).decode(),
            "label": labels[int(truth[number])],
            "expected_label": labels[int(probabilities[number].argmax())],
            "probability": float(probabilities[number].max()),
        }
        for number in choose_examples(truth, said["correct"], _SMOKE_EXAMPLES)
    ]
    return {"contract_version": CONTRACT_VERSION, "examples": examples}


def evaluate(prepared: Path, challenger: Model, champion: Optional[Model], target: Path) -> Dict[str, Any]:
    """Write the report of the challenger, and of the champion where there is one, into `target`."""
    statistics = read_statistics(prepared)
    labels, keys = statistics["labels"], statistics["keys"]["test"]
    records = list(read_records(prepared, "test"))
    pngs = [png for _, _, png in records]
    truth = np.array([label for _, label, _ in records], dtype=int)
    measured, probabilities = examine(challenger, pngs, truth, labels)
    report = {
        "contract_version": CONTRACT_VERSION,
        "test_split": {"digest": sha256_file(prepared / SHARD_NAME.format(split="test")), "count": len(records)},
        "labels": labels,
        "challenger": measured,
        "champion": examine(champion, pngs, truth, labels)[0] if champion else None,
    }
    target.mkdir(parents=True, exist_ok=True)
    (target / REPORT_JSON).write_text(json.dumps(report, sort_keys=True), "utf-8")
    said = {"labels": labels, "probabilities": probabilities, "correct": measured["correct"]}
    (target / SMOKE_FILE).write_text(json.dumps(make_smoke(keys, pngs, truth, said), sort_keys=True), "utf-8")
    wrong = [number for number, correct in enumerate(measured["correct"]) if not correct]
    mistakes = [(labels[truth[n]], labels[int(probabilities[n].argmax())], pngs[n]) for n in wrong]
    write_report(target, report, mistakes)
    return report


def main() -> None:
    """Evaluate the job's challenger."""
    container, options = Container(), parse()
    with tempfile.TemporaryDirectory(prefix="ratchet-evaluate-") as name:
        scratch = Path(name)
        prepared = open_prepared(container.channel("prepared"), scratch / "prepared")
        challenger = Model(container.channel("challenger"), options.challenger_sha256, scratch / "challenger")
        found = container.find_channel("champion")
        champion = Model(found, options.champion_sha256, scratch / "champion") if found else None
        report = evaluate(prepared, challenger, champion, container.model_folder)
    values = {"challenger_accuracy": report["challenger"]["accuracy"]}
    if report["champion"]:
        values["champion_accuracy"] = report["champion"]["accuracy"]
    print(metric_line(values), flush=True)


if __name__ == "__main__":
    run(main)
