"""What Lambda counts of each invocation, under the dimensions that AWS gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from localcloud.metric import Dimensions, Metrics, Region, Sample, order_dimensions

NAMESPACE = "AWS/Lambda"


@dataclass(frozen=True)
class Run:
    """One invocation that was asked for.

    Attributes
    ----------
    qualifier
        The version or alias that the caller named.
    executed_version
        The version that ran; empty when none did.
    concurrency
        How many of the function ran when it began, itself included.
    """

    name: str
    qualifier: str | None
    executed_version: str = ""
    failed: bool = False
    duration_ms: float = 0.0
    concurrency: int = 1


def record_run(metrics: Metrics, region: Region, run: Run) -> None:
    """Count an invocation that ran, well or not."""
    values = [
        ("Invocations", 1.0, "Count"),
        ("Errors", float(run.failed), "Count"),
        ("Throttles", 0.0, "Count"),
        ("Duration", run.duration_ms, "Milliseconds"),
    ]
    samples = [Sample(NAMESPACE, name, each, value, unit) for each in _sets(run) for name, value, unit in values]
    busy = float(run.concurrency)
    for dimensions in ((), order_dimensions({"FunctionName": run.name})):
        samples.append(Sample(NAMESPACE, "ConcurrentExecutions", dimensions, busy, "Count"))
    metrics.record(region, *samples)


def record_throttle(metrics: Metrics, region: Region, run: Run) -> None:
    """Count an invocation that was refused: it is no invocation, and no error."""
    metrics.record(region, *(Sample(NAMESPACE, "Throttles", each, 1.0, "Count") for each in _sets(run)))


def _sets(run: Run) -> Iterator[Dimensions]:
    yield ()
    named = {"FunctionName": run.name}
    yield order_dimensions(named)
    named["Resource"] = f"{run.name}:{run.qualifier}" if run.qualifier else run.name
    yield order_dimensions(named)
    if run.qualifier and run.executed_version and not run.qualifier.isdigit():
        yield order_dimensions({**named, "ExecutedVersion": run.executed_version})
