"""CloudWatch calls that moto lacks, or answers from a list that it walks through: statistics, paging, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterCombination, InvalidParameterValue, ValidationError
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from localcloud.engines.cloudwatch_alarm import statistic_of
from localcloud.engines.cloudwatch_backend import seconds_of
from localcloud.engines.cloudwatch_history import alarm_type
from localcloud.metric import Aggregate, Key, order_dimensions
from localcloud.metric_math import ExpressionError
from localcloud.metric_query import Query, Selection, Span, read_dimensions, read_query, round_start
from localcloud.metric_statistic import compute, group, is_statistic, read_percentile
from localcloud.patch import change_classes

_DATAPOINTS_AT_MOST = 1440
_METRICS_PER_PAGE = 500
_ALARMS_PER_PAGE = 50
_RECENT_SECONDS, _LISTED_SECONDS = 3 * 3600, 14 * 24 * 3600


def replace_answers() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    calls = {
        "get_metric_statistics": _get_metric_statistics,
        "get_metric_data": _get_metric_data,
        "list_metrics": _list_metrics,
        "describe_alarms": _describe_alarms,
        "describe_alarms_for_metric": _describe_alarms_for_metric,
        "describe_alarm_history": _describe_alarm_history,
        "put_composite_alarm": _put_composite_alarm,
    }
    return change_classes((CloudWatchResponse, name, call) for name, call in calls.items())


def _get_metric_statistics(self: Any) -> Any:
    params = self._get_params()
    statistics = [*(params.get("Statistics") or []), *(params.get("ExtendedStatistics") or [])]
    if not statistics:
        raise InvalidParameterCombination("Must specify either Statistics or ExtendedStatistics")
    _check_statistics(statistics)
    period = _check_period(int(params["Period"]))
    span = _read_span(params, period)
    if (span.end - span.start) / period > _DATAPOINTS_AT_MOST:
        raise InvalidParameterCombination(
            f"You have requested more than {_DATAPOINTS_AT_MOST} datapoints, which exceeds the limit. You may reduce "
            "the datapoints requested by increasing Period, or decreasing the time range."
        )
    backend = self.cloudwatch_backend
    key = (str(params["Namespace"]), str(params["MetricName"]), read_dimensions(params.get("Dimensions")))
    points = []
    for unit, buckets in _buckets(backend, key, params.get("Unit")).items():
        for at, samples in group(buckets, start=span.start, end=span.end, period=period).items():
            points.append(_datapoint(at, samples, unit, statistics))
    return ActionResult({"Label": key[1], "Datapoints": points})


def _datapoint(at: float, samples: Aggregate, unit: str, statistics: Sequence[str]) -> dict[str, Any]:
    computed = {name: compute(name, samples) for name in statistics}
    known = {name: value for name, value in computed.items() if value is not None}
    extended = {name: value for name, value in known.items() if read_percentile(name) is not None}
    plain = {name: value for name, value in known.items() if name not in extended}
    return {"Timestamp": _moment(at), "Unit": unit, **plain, "ExtendedStatistics": extended or None}


def _get_metric_data(self: Any) -> Any:
    params = self._get_params()
    shapes = params.get("MetricDataQueries") or []
    for shape in shapes:
        if "MetricStat" not in shape and "Expression" not in shape:
            raise ValidationError("The parameter MetricDataQueries.member.1.MetricStat is required.\n")
    queries = [read_query(shape) for shape in shapes]
    selections = [query.selection for query in queries if query.selection is not None]
    _check_statistics([selection.statistic for selection in selections])
    period = min([_check_period(selection.period) for selection in selections], default=60)
    span = _read_span(params, period)
    ascending = params.get("ScanBy") == "TimestampAscending"
    library = self.cloudwatch_backend.library
    try:
        series = library.run(queries, span)
    except ExpressionError as error:
        raise ValidationError(f"Error in expression: {error}") from error
    for query in queries:
        if query.selection is not None and not series[query.id]:
            series[query.id] = _made_up(self.cloudwatch_backend, query.selection, span)
    results = [_result(query, series[query.id], ascending=ascending) for query in queries if query.returned]
    return ActionResult({"MetricDataResults": results})


def _result(query: Query, series: Mapping[float, float], *, ascending: bool) -> dict[str, Any]:
    label = query.label or (query.id if query.selection is None else query.selection.name)
    times = sorted(series, reverse=not ascending)
    return {
        "Id": query.id,
        "Label": label,
        "Timestamps": [_moment(at) for at in times],
        "Values": [series[at] for at in times],
        "StatusCode": "Complete",
    }


def _made_up(backend: Any, selection: Selection, span: Span) -> dict[float, float]:
    """Return what moto's services say about themselves, such as the size of a bucket."""
    key = (selection.namespace, selection.name, selection.dimensions)
    buckets = _moto_buckets(backend, key)
    found = {
        at: compute(selection.statistic, samples)
        for at, samples in group(buckets, start=span.start, end=span.end, period=selection.period).items()
    }
    return {at: value for at, value in found.items() if value is not None}


def _buckets(backend: Any, key: Key, unit: str | None) -> dict[str, list[tuple[int, Aggregate]]]:
    found: dict[str, list[tuple[int, Aggregate]]] = backend.metrics.read(backend.place, key, unit)
    return found or {"None": _moto_buckets(backend, key)}


def _moto_buckets(backend: Any, key: Key) -> list[tuple[int, Aggregate]]:
    if key[0] != "AWS/S3":  # the only service whose metrics moto makes up; it walks through every object for them
        return []
    buckets = []
    for datum in backend.aws_metric_data:
        if _moto_key(datum) == key:
            samples = Aggregate()
            samples.add(float(datum.value))
            buckets.append((int(seconds_of(datum.timestamp)), samples))
    return buckets


def _moto_key(datum: Any) -> Key:
    return datum.namespace, datum.name, order_dimensions({each.name: each.value for each in datum.dimensions})


def _list_metrics(self: Any) -> Any:
    params, backend = self._get_params(), self.cloudwatch_backend
    now = backend.metrics.clock()
    since = now - (_RECENT_SECONDS if params.get("RecentlyActive") == "PT3H" else _LISTED_SECONDS)
    keys = backend.metrics.list(backend.place, since=since) + [_moto_key(datum) for datum in backend.aws_metric_data]
    wanted = [(each["Name"], each.get("Value")) for each in params.get("Dimensions") or []]
    found = sorted({key for key in keys if _matches(key, params, wanted)})
    page, token = _page(found, params.get("NextToken"), _METRICS_PER_PAGE)
    metrics = [
        {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": dimension, "Value": value} for dimension, value in dimensions],
        }
        for namespace, name, dimensions in page
    ]
    return ActionResult({"Metrics": metrics, "NextToken": token})


def _matches(key: Key, params: Mapping[str, Any], wanted: Sequence[tuple[str, str | None]]) -> bool:
    namespace, name, dimensions = key
    if params.get("Namespace") not in (None, namespace) or params.get("MetricName") not in (None, name):
        return False
    has = dict(dimensions)
    return all(each in has and value in (None, has[each]) for each, value in wanted)


def _describe_alarms(self: Any) -> Any:
    params, alarms = self._get_params(), list(self.cloudwatch_backend.alarms.values())
    types = params.get("AlarmTypes") or ["MetricAlarm"]
    names, prefix = params.get("AlarmNames") or [], params.get("AlarmNamePrefix")
    if names and prefix:
        raise InvalidParameterCombination("AlarmNames and AlarmNamePrefix cannot be specified together.")
    state, action = params.get("StateValue"), params.get("ActionPrefix")
    found = [
        alarm
        for alarm in sorted(alarms, key=lambda alarm: alarm.name)
        if alarm_type(alarm) in types
        and (not names or alarm.name in names)
        and (prefix is None or alarm.name.startswith(prefix))
        and state in (None, alarm.state_value)
        and (action is None or any(arn.startswith(action) for arn in alarm.alarm_actions or []))
    ]
    page, token = _page(found, params.get("NextToken"), int(params.get("MaxRecords") or _ALARMS_PER_PAGE))
    return ActionResult(
        {
            "MetricAlarms": [alarm for alarm in page if alarm.rule is None],
            "CompositeAlarms": [alarm for alarm in page if alarm.rule is not None],
            "NextToken": token,
        }
    )


def _describe_alarms_for_metric(self: Any) -> Any:
    params = self._get_params()
    dimensions = read_dimensions(params.get("Dimensions"))
    found = [
        alarm
        for alarm in self.cloudwatch_backend.alarms.values()
        if (alarm.namespace, alarm.metric_name) == (params["Namespace"], params["MetricName"])
        and order_dimensions({each.name: each.value for each in alarm.dimensions}) == dimensions
        and (params.get("Statistic") or params.get("ExtendedStatistic")) in (None, statistic_of(alarm))
        and params.get("Period") in (None, alarm.period)
    ]
    return ActionResult({"MetricAlarms": found})


def _describe_alarm_history(self: Any) -> Any:
    params = self._get_params()
    events = [event.view() for event in self.cloudwatch_backend.history.find(params)]
    page, token = _page(events, params.get("NextToken"), int(params.get("MaxRecords") or 100))
    return ActionResult({"AlarmHistoryItems": page, "NextToken": token})


def _put_composite_alarm(self: Any) -> Any:
    params = self._get_params()
    if params.get("ActionsSuppressor"):
        raise InvalidParameterValue("localcloud does not suppress actions: leave ActionsSuppressor out.")
    nothing = dict.fromkeys(
        ("namespace", "metric_name", "comparison_operator", "evaluation_periods", "period", "threshold", "statistic")
    )
    self.cloudwatch_backend.put_metric_alarm(
        str(params["AlarmName"]),
        **nothing,
        description=params.get("AlarmDescription"),
        dimensions=[],
        alarm_actions=list(params.get("AlarmActions") or []),
        ok_actions=list(params.get("OKActions") or []),
        insufficient_data_actions=list(params.get("InsufficientDataActions") or []),
        actions_enabled=params.get("ActionsEnabled"),
        rule=str(params["AlarmRule"]),
        tags=params.get("Tags") or [],
    )
    return EmptyResult()


def _page(found: Sequence[Any], token: str | None, size: int) -> tuple[Sequence[Any], str | None]:
    if token is not None and not token.isdecimal():
        raise InvalidParameterValue("Request parameter NextToken is invalid")
    start = int(token or 0)
    end = start + size
    return found[start:end], str(end) if end < len(found) else None


def _check_statistics(names: Sequence[str]) -> None:
    for name in names:
        if not is_statistic(name):
            raise InvalidParameterValue(f"The value {name} for parameter Stat is not supported.")


def _check_period(period: int) -> int:
    if period not in {1, 5, 10, 20, 30} and (period < 60 or period % 60):
        raise InvalidParameterValue("Period must be 1, 5, 10, 20, 30 or a multiple of 60")
    return period


def _read_span(params: Mapping[str, Any], period: int) -> Span:
    start, end = seconds_of(params["StartTime"]), seconds_of(params["EndTime"])
    if start >= end:
        raise ValidationError("The parameter StartTime must be less than the parameter EndTime.")
    return Span(round_start(start, period), end)


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
