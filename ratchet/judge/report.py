"""What the evaluation job measured, read from its report.json with every gap named."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ratchet.contract import CONTRACT_VERSION
from ratchet.errors import ArtefactError

_T = TypeVar("_T")
_ROOT = "report.json"
# float32 sums in the evaluation against counting here.
_ROUNDING = 1e-3


@dataclass(frozen=True)
class ClassFigures:
    """One class's figures; a figure that the test split cannot give is NaN. `support` counts its test images."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Measurement:
    """One model on the test split.

    `confusion[i][j]` counts images of class `i` that were taken for `j`; `correct[k]` is 1 if image `k` was recognised.
    """

    accuracy: float
    top5_accuracy: float
    log_loss: float
    per_class: Mapping[str, ClassFigures]
    confusion: tuple[tuple[int, ...], ...]
    correct: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """Challenger and, unless it is the first model ever, champion on the same test split."""

    test_digest: str
    test_count: int
    labels: tuple[str, ...]
    challenger: Measurement
    champion: Measurement | None


class _Node:
    """A part of the report that knows its path, for messages."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def __getitem__(self, name: str) -> _Node:
        path = f"{self.path}: {name}" if self.path == _ROOT else f"{self.path}.{name}"
        if name not in self._mapping():
            raise ArtefactError(f"{path} is missing: the evaluation must write it")
        return _Node(self.value[name], path)

    def items(self) -> list[tuple[str, _Node]]:
        return [(str(name), self[name]) for name in self._mapping()]

    def _mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, Mapping):
            raise ArtefactError(f"{self.path} is no mapping: the evaluation must write one (found {self.value!r:.60})")
        return self.value

    def read(self, convert: Callable[[Any], _T]) -> _T:
        try:
            return convert(self.value)
        except (TypeError, ValueError) as error:
            raise ArtefactError(f"{self.path} cannot be used: {error} (found {self.value!r:.60})") from error

    def number(self) -> float:
        return self.read(lambda value: math.nan if value is None else float(value))


def read_report(raw: Mapping[str, Any]) -> Report:
    """Read report.json.

    Raises
    ------
    ArtefactError
        When a key is missing or its value is of the wrong kind, when the report is of a newer contract, or when it
        contradicts itself; the message gives the key's path.
    """
    node = _Node(raw, _ROOT)
    contract = node["contract_version"].read(int)
    if contract > CONTRACT_VERSION:
        raise ArtefactError(f"report.json is of contract version {contract}, this release reads {CONTRACT_VERSION}")
    labels = node["labels"].read(_texts)
    for label in labels:
        node["challenger"]["per_class"][label]  # a class that nobody measured would slip through the gates
    champion = node["champion"]
    report = Report(
        test_digest=node["test_split"]["digest"].read(str),
        test_count=node["test_split"]["count"].read(int),
        labels=labels,
        challenger=_measurement(node["challenger"]),
        champion=None if champion.value is None else _measurement(champion),
    )
    _refuse_contradictions(report)
    return report


def _measurement(node: _Node) -> Measurement:
    return Measurement(
        accuracy=node["accuracy"].number(),
        top5_accuracy=node["top5_accuracy"].number(),
        log_loss=node["log_loss"].number(),
        per_class={label: _figures(figures) for label, figures in node["per_class"].items()},
        confusion=node["confusion"].read(lambda rows: tuple(tuple(int(count) for count in row) for row in rows)),
        correct=node["correct"].read(lambda marks: tuple(int(mark) for mark in marks)),
    )


def _figures(node: _Node) -> ClassFigures:
    return ClassFigures(
        node["precision"].number(), node["recall"].number(), node["f1"].number(), node["support"].read(int)
    )


def _texts(value: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError("a list of labels is needed")
    return tuple(str(item) for item in value)


def _refuse_contradictions(report: Report) -> None:
    if report.test_count < 1:
        raise ArtefactError("report.json: test_split.count is 0: nothing was measured; the dataset needs more images")
    for name, measured in (("challenger", report.challenger), ("champion", report.champion)):
        if measured is None:
            continue
        if len(measured.correct) != report.test_count or not set(measured.correct) <= {0, 1}:
            raise ArtefactError(
                f"report.json: {name}.correct must hold one 0 or 1 for each of the {report.test_count} test images"
            )
        counted = sum(measured.correct) / report.test_count
        if not abs(counted - measured.accuracy) <= _ROUNDING:
            raise ArtefactError(
                f"report.json: {name}.accuracy is {measured.accuracy}, but {name}.correct makes {counted:.4f}"
            )
