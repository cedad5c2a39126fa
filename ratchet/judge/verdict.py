"""May a candidate be shown to a person? A pure function from the report and the gates to a verdict with reasons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ratchet.dataset_spec import Bound
from ratchet.judge.report import ClassFigures, Measurement, Report
from ratchet.judge.significance import Significance, compare_paired
from ratchet.spec import Gates, Slice

METRICS = ("accuracy", "top5_accuracy", "log_loss")
_EVERY_LABEL = "*"


@dataclass(frozen=True)
class Check:
    """One gate: what was found, what is allowed, in words for a person."""

    name: str
    found: str
    allowed: str
    passed: bool


@dataclass(frozen=True)
class Comparison:
    """One metric of both models; `champion` and `difference` are None for the first model ever."""

    metric: str
    challenger: float
    champion: float | None
    difference: float | None


@dataclass(frozen=True)
class ClassRecall:
    """Recall of one class; NaN when the test split holds none of it. `support` counts its test images."""

    label: str
    challenger: float
    champion: float | None
    support: int


@dataclass(frozen=True)
class Verdict:
    """What the gates say, and the figures behind it.

    `significance` is None for the first model ever. It informs; the gates alone decide.
    """

    passed: bool
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]
    significance: Significance | None
    comparisons: tuple[Comparison, ...]
    recalls: tuple[ClassRecall, ...]


def judge(report: Report, gates: Gates) -> Verdict:
    """Hold a report against the gates; without a champion there is nothing to compare, and the thresholds decide."""
    checks = (*_thresholds(report, gates), *_changes(report, gates), *_slices(report, gates))
    failed = [check for check in checks if not check.passed]
    reasons = tuple(f"{check.name} is {check.found}, allowed is {check.allowed}" for check in failed)
    champion = report.champion
    return Verdict(
        passed=not failed,
        checks=checks,
        reasons=reasons or (_praise(len(checks), champion),),
        significance=compare_paired(report.challenger.correct, champion.correct) if champion else None,
        comparisons=tuple(_compare(metric, report.challenger, champion) for metric in METRICS),
        recalls=tuple(_recall(label, report) for label in report.labels),
    )


def _thresholds(report: Report, gates: Gates) -> Iterator[Check]:
    for metric, bound in gates.thresholds.items():
        value = float(getattr(report.challenger, metric))
        yield Check(metric, f"{value:.4f}", _range(bound), _within(value, bound))


def _changes(report: Report, gates: Gates) -> Iterator[Check]:
    if report.champion is None:
        return
    for metric, bound in gates.change.items():
        change = float(getattr(report.challenger, metric)) - float(getattr(report.champion, metric))
        yield Check(f"change of {metric}", f"{change:+.4f}", _range(bound, "+"), _within(change, bound))


def _slices(report: Report, gates: Gates) -> Iterator[Check]:
    for gate in gates.slices:
        for label in report.labels if gate.label == _EVERY_LABEL else (gate.label,):
            figures = report.challenger.per_class.get(label)
            if figures is not None and figures.support:
                yield from _slice(report, gate, label, figures)
            elif gate.label != _EVERY_LABEL:
                # A class that is protected by name and cannot be measured is not known to be safe.
                yield Check(f"recall of {label}", "not measured", "test images of this class", False)


def _slice(report: Report, gate: Slice, label: str, figures: ClassFigures) -> Iterator[Check]:
    if gate.min_recall is not None:
        bound = Bound(min=gate.min_recall)
        yield Check(f"recall of {label}", f"{figures.recall:.4f}", _range(bound), _within(figures.recall, bound))
    before = report.champion.per_class.get(label) if report.champion else None
    if gate.max_recall_drop is not None and before is not None and before.support:
        bound = Bound(max=gate.max_recall_drop)
        drop = before.recall - figures.recall
        yield Check(f"drop in recall of {label}", f"{drop:+.4f}", _range(bound, "+"), _within(drop, bound))


def _within(value: float, bound: Bound) -> bool:
    # A NaN fails every comparison, and so every gate. Differences of decimals are off by their rounding: 0.9 - 0.8.
    slack = 1e-9
    return (
        math.isfinite(value)
        and (bound.min is None or value >= bound.min - slack)
        and (bound.max is None or value <= bound.max + slack)
    )


def _range(bound: Bound, sign: str = "") -> str:
    parts = []
    if bound.min is not None:
        parts.append(f"at least {bound.min:{sign}g}")
    if bound.max is not None:
        parts.append(f"at most {bound.max:{sign}g}")
    return " and ".join(parts)


def _praise(count: int, champion: Measurement | None) -> str:
    against = "" if champion else "; there is no champion to compare with yet"
    return f"all {count} gates passed{against}"


def _compare(metric: str, challenger: Measurement, champion: Measurement | None) -> Comparison:
    new = float(getattr(challenger, metric))
    old = float(getattr(champion, metric)) if champion else None
    return Comparison(metric, new, old, None if old is None else new - old)


def _recall(label: str, report: Report) -> ClassRecall:
    new = report.challenger.per_class.get(label)
    old = report.champion.per_class.get(label) if report.champion else None
    return ClassRecall(label, new.recall if new else math.nan, old.recall if old else None, new.support if new else 0)
