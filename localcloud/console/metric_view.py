"""Metrics as lines for charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from localcloud.console.gateway import Gateway

_QUERIES_AT_MOST = 100
Line = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """One line of a chart: a statistic of a metric, under a title."""

    title: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    unit: str = ""

    def query(self, number: int, period: int) -> dict[str, Any]:
        """Return it as GetMetricData asks for it."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions.items()]
        metric = {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}
        return {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": period, "Stat": self.statistic}}


def read_lines(
    gateway: Gateway, wanted: Sequence[Wanted], *, start: datetime, end: datetime, period: int = 60
) -> list[Line]:
    """Return each line with its points: milliseconds since the epoch and value, in order; empty ones included."""
    if not wanted:
        return []
    queries = [each.query(number, period) for number, each in enumerate(wanted[:_QUERIES_AT_MOST])]
    answer = gateway.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending"
    )
    found = {result["Id"]: result for result in answer["MetricDataResults"]}
    return [
        {
            "title": each.title,
            "unit": each.unit,
            "points": [
                [round(at.timestamp() * 1000), value]
                for at, value in zip(found[f"m{number}"]["Timestamps"], found[f"m{number}"]["Values"], strict=True)
            ],
        }
        for number, each in enumerate(wanted[:_QUERIES_AT_MOST])
    ]
