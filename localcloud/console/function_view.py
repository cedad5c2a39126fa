"""Lambda functions: versions, aliases with their weights, URLs, and what Lambda counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.console.gateway import Gateway
from localcloud.console.metric_view import Wanted, read_lines

_CHART = timedelta(hours=1)
_SHOWN_LINES = 200
_COUNTED = (("Invocations", "Sum", ""), ("Errors", "Sum", ""), ("Throttles", "Sum", ""), ("Duration", "p95", "ms"))


def list_functions(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the functions."""
    pages = gateway.client("lambda").get_paginator("list_functions").paginate()
    return {"functions": [_brief(each) for page in pages for each in page["Functions"]]}


def show_function(gateway: Gateway, path: tuple[str, ...], _query: Mapping[str, str]) -> dict[str, Any]:
    """Return all about one function."""
    (name,) = path
    functions = gateway.client("lambda")
    versions = functions.list_versions_by_function(FunctionName=name)["Versions"]
    aliases = functions.list_aliases(FunctionName=name)["Aliases"]
    urls = functions.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    wanted = [
        Wanted(
            f"{title}, {statistic}" if statistic != "Sum" else title,
            "AWS/Lambda",
            title,
            {"FunctionName": name},
            statistic,
            unit,
        )
        for title, statistic, unit in _COUNTED
    ]
    now = datetime.now(UTC)
    return {
        **_brief(functions.get_function_configuration(FunctionName=name)),
        "versions": [_brief(each) for each in versions],
        "aliases": [_alias(each) for each in aliases],
        "urls": [{"url": each["FunctionUrl"], "auth": each["AuthType"]} for each in urls],
        "metrics": read_lines(gateway, wanted, start=now - _CHART, end=now),
        "lines": _lines(gateway, f"/aws/lambda/{name}"),
    }


def _brief(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": function["FunctionName"],
        "version": function["Version"],
        "state": function.get("State", ""),
        "package": function.get("PackageType", "Zip"),
        "runtime": function.get("Runtime", ""),
        "memory": function["MemorySize"],
        "timeout": function["Timeout"],
        "modified": function["LastModified"],
        "description": function.get("Description", ""),
    }


def _alias(alias: Mapping[str, Any]) -> dict[str, Any]:
    extra = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    shares = {alias["FunctionVersion"]: 1 - sum(extra.values()), **extra}
    weights = [{"version": version, "percent": 100 * share} for version, share in shares.items()]
    return {"name": alias["Name"], "weights": weights}


def _lines(gateway: Gateway, group: str) -> list[str]:
    logs = gateway.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=group)["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    events.sort(key=lambda event: event["timestamp"])
    return [event["message"] for event in events[-_SHOWN_LINES:]]
