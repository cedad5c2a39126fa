"""Challenger and champion on the same frozen test split: figures, slices, confusion, report and smoke examples."""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from ratchet.contract import CONTRACT_VERSION, REPORT_JSON, SMOKE_FILE, Signature, metric_line
from training.container import Arguments, Container, run, set_threads
from training.feed import make_arranger
from training.measure import Measurement, arrange, choose_examples, subtract
from training.recordio import Record, read_records
from training.report import Mistake, write_report
from training.shard import open_prepared, read_statistics, shard_path

if TYPE_CHECKING:
    from training.model import Model

_BATCH = 64
_SMOKE_EXAMPLES = 10
_MISTAKES_SHOWN = 40


def parse(arguments: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Read the hyperparameters."""
    parser = Arguments(__doc__)
    parser.add_argument("--challenger-sha256", required=True, help="of its model.tar.gz")
    parser.add_argument("--champion-sha256", default="", help="needed when there is a channel `champion`")
    return parser.parse_args(arguments)


def batches(shard: Path, size: int = _BATCH) -> Iterator[List[Record]]:
    """The records of a shard, some at a time."""
    records = read_records(shard)
    return iter(lambda: list(islice(records, size)), [])


def examine(models: Sequence[Model], shard: Path, labels: Sequence[str]) -> List[Measurement]:
    """Ask every model about every test example."""
    measurements = [Measurement(labels) for _ in models]
    for records in batches(shard):
        truth = np.array([record.label for record in records])
        for model, measurement in zip(models, measurements):
            answers = model.answer([record.payload for record in records])
            measurement.add(arrange(answers, model.signature.labels, labels), truth)
    return measurements


def make_report(statistics: Dict[str, Any], measurements: Sequence[Measurement]) -> Dict[str, Any]:
    """What `report.json` holds: the first measurement is the challenger's, the second, if any, the champion's."""
    challenger, champion = [*(measurement.describe() for measurement in measurements), None][:2]
    shard = statistics["shards"]["test"]
    return {
        "contract_version": CONTRACT_VERSION,
        "dataset": statistics["dataset"],
        "dataset_version": statistics["dataset_version"],
        "test_split": {"digest": shard["sha256"], "count": shard["count"]},
        "labels": statistics["labels"],
        "challenger": challenger,
        "champion": champion,
        "differences": subtract(challenger, champion) if champion else None,
    }


def pick(shard: Path, numbers: Sequence[int]) -> Dict[int, bytes]:
    """The bytes of some examples."""
    wanted = set(numbers)
    return {record.number: record.payload for record in read_records(shard) if record.number in wanted}


def quote(payload: bytes, signature: Signature, columns: Sequence[str]) -> Dict[str, Any]:
    """An example as the serving processes are to be asked about it."""
    if signature.kind == "table":
        return {"row": make_arranger(signature, columns)(payload).tolist()}
    if signature.kind == "text":
        return {"text": payload.decode("utf-8")}
    return {"image_base64": base64.b64encode(payload).decode()}


def make_smoke(challenger: Measurement, keys: Sequence[str], quotes: Dict[int, Dict[str, Any]]) -> Dict[str, Any]:
    """Examples with the challenger's own answers: what every serving process has to say too."""
    examples = [
        {
            "key": keys[number],
            **quotes[number],
            "label": challenger.labels[challenger.truth[number]],
            "expected_label": challenger.name(number),
            "probability": challenger.confidence[number],
        }
        for number in choose_examples(challenger.truth, challenger.correct, _SMOKE_EXAMPLES)
    ]
    return {"contract_version": CONTRACT_VERSION, "examples": examples}


def evaluate(prepared: Path, models: Sequence[Model], target: Path) -> Dict[str, Any]:
    """Write the report of the challenger, and of the champion where there is one, into `target`; return it."""
    statistics = read_statistics(prepared, ["test"])
    for model in models:
        model.take(statistics)
    shard, keys = shard_path(prepared, "test"), statistics["keys"]["test"]
    measurements = examine(models, shard, statistics["labels"])
    challenger = measurements[0]
    report = make_report(statistics, measurements)
    wrong = [number for number, correct in enumerate(challenger.correct) if not correct][:_MISTAKES_SHOWN]
    payloads = pick(shard, wrong + choose_examples(challenger.truth, challenger.correct, _SMOKE_EXAMPLES))
    target.mkdir(parents=True, exist_ok=True)
    (target / REPORT_JSON).write_text(json.dumps(report, sort_keys=True), "utf-8")
    signature, columns = models[0].signature, statistics.get("features", ())
    quotes = {number: quote(payload, signature, columns) for number, payload in payloads.items()}
    smoke = make_smoke(challenger, keys, quotes)
    (target / SMOKE_FILE).write_text(json.dumps(smoke, sort_keys=True), "utf-8")
    labels, shown = statistics["labels"], payloads if signature.kind == "image" else {}
    mistakes = [
        Mistake(
            keys[n],
            labels[challenger.truth[n]],
            challenger.name(n),
            challenger.confidence[n],
            shown.get(n, b""),
        )
        for n in wrong
    ]
    write_report(target, report, mistakes)
    return report


def main() -> None:
    """Evaluate the job's challenger."""
    container, options = Container(), parse()
    set_threads()
    # MXNet counts its threads when it is imported.
    import mxnet as mx

    from training.model import Model

    context = mx.gpu(0) if container.gpus else mx.cpu()
    with tempfile.TemporaryDirectory(prefix="ratchet-evaluate-", dir=container.scratch_parent) as name:
        scratch = Path(name)
        models = [
            Model(container.channel("challenger"), options.challenger_sha256, scratch / "challenger", context),
        ]
        champion = container.find_channel("champion")
        if champion is not None:
            models.append(Model(champion, options.champion_sha256, scratch / "champion", context))
        prepared = open_prepared(container.channel("prepared"), scratch / "prepared")
        report = evaluate(prepared, models, container.model_folder)
    roles = [role for role in ("challenger", "champion") if report[role]]
    print(metric_line({role + "_accuracy": report[role]["accuracy"] for role in roles}), flush=True)


if __name__ == "__main__":
    run(main)
