"""A moto alarm as the evaluator wants it: what it asks, what it looks at, what it does."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError

from localcloud.alarm import COMPARISONS, Condition, Datapoint, Missing
from localcloud.alarm_rule import RuleError, read_rule
from localcloud.metric import Aggregate, order_dimensions
from localcloud.metric_math import ExpressionError
from localcloud.metric_query import Library, Query, Selection, Span, combine
from localcloud.metric_statistic import compute, is_statistic, read_percentile

_SHORT_PERIODS = frozenset({10, 20, 30})
_LONGEST_RANGE_SECONDS = 7 * 24 * 3600


def condition_of(alarm: Any) -> Condition:
    """Return what an alarm asks of its datapoints."""
    needed = alarm.evaluation_periods
    return Condition(
        comparison=COMPARISONS[alarm.comparison_operator],
        threshold=float(alarm.threshold),
        evaluation_periods=int(needed),
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or needed),
        missing=Missing(alarm.treat_missing_data or Missing.MISSING),
    )


def period_of(alarm: Any) -> int:
    """Return an alarm's period in seconds; for math, that of its first metric."""
    if alarm.period:
        return int(alarm.period)
    periods = [query.metric_stat.period for query in alarm.metric_data_queries if query.metric_stat is not None]
    periods += [query.period for query in alarm.metric_data_queries if query.period]
    return int(periods[0]) if periods else 60


def statistic_of(alarm: Any) -> str:
    """Return the statistic that an alarm looks at; empty for math."""
    return str(alarm.extended_statistic or alarm.statistic or "")


def queries_of(alarm: Any) -> list[Query]:
    """Return what an alarm looks at; one query's result is returned, and held against the threshold."""
    if not alarm.metric_data_queries:
        dimensions = order_dimensions({each.name: each.value for each in alarm.dimensions})
        selection = Selection(
            alarm.namespace, alarm.metric_name, dimensions, statistic_of(alarm), period_of(alarm), alarm.unit
        )
        return [Query("m", selection)]
    return [_read_query(query) for query in alarm.metric_data_queries]


def _read_query(query: Any) -> Query:
    stat = query.metric_stat
    selection = None
    if stat is not None:
        dimensions = order_dimensions({each.name: each.value for each in stat.metric.dimensions})
        selection = Selection(
            stat.metric.namespace, stat.metric.metric_name, dimensions, stat.stat, int(stat.period), stat.unit
        )
    returned = query.return_data not in (False, "false")
    return Query(query.id, selection, query.expression or "", returned=returned)


def read_datapoints(alarm: Any, library: Library, end: float) -> list[Datapoint]:
    """Return the periods of the evaluation range that ends at a moment, the newest first."""
    period, count = period_of(alarm), condition_of(alarm).range_datapoints
    starts = [end - (index + 1) * period for index in range(count)]
    span = Span(starts[-1], end)
    queries = queries_of(alarm)
    if len(queries) == 1 and queries[0].selection is not None:
        samples = library.samples(queries[0].selection, span)
        return [_datapoint(alarm, start, samples.get(start)) for start in starts]
    series = library.run(queries, span)
    values = series[next(query.id for query in queries if query.returned)]
    return [Datapoint(start, values.get(start)) for start in starts]


def _datapoint(alarm: Any, start: float, samples: Aggregate | None) -> Datapoint:
    if samples is None:
        return Datapoint(start, None)
    return Datapoint(start, compute(statistic_of(alarm), samples), samples.count)


def lacks_samples(alarm: Any, datapoints: list[Datapoint]) -> bool:
    """Whether a percentile has too few samples to mean anything, and the alarm is told to wait then."""
    share = read_percentile(statistic_of(alarm))
    if alarm.evaluate_low_sample_count_percentile != "ignore" or share is None:
        return False
    tail = min(share, 100 - share) / 100
    newest = next((point for point in datapoints if point.value is not None), None)
    return newest is not None and tail > 0 and newest.sample_count < 10 / tail


def check_alarm(alarm: Any) -> None:
    """Refuse an alarm that AWS refuses, or that cannot be evaluated here.

    Raises
    ------
    ValidationError, InvalidParameterValue
        With what is wrong.
    """
    if alarm.rule is not None:
        try:
            read_rule(alarm.rule)
        except RuleError as error:
            raise ValidationError(str(error)) from error
        return
    _check_comparison(alarm)
    _check_periods(alarm)
    if alarm.treat_missing_data not in {None, "", *Missing}:
        raise ValidationError(f"Option {alarm.treat_missing_data} is not supported for parameter TreatMissingData.")
    if alarm.metric_data_queries:
        _check_math(alarm)
    elif not is_statistic(statistic_of(alarm)):
        raise ValidationError("Exactly one of Statistic and ExtendedStatistic is needed, and localcloud has to know it")


def _check_comparison(alarm: Any) -> None:
    if alarm.comparison_operator not in COMPARISONS:
        raise InvalidParameterValue(
            f"localcloud has no anomaly detection: ComparisonOperator {alarm.comparison_operator} is not available."
        )
    if alarm.threshold is None:
        raise ValidationError("Threshold is required when no anomaly detection is used.")


def _check_periods(alarm: Any) -> None:
    period, count = period_of(alarm), int(alarm.evaluation_periods or 0)
    if period not in _SHORT_PERIODS and (period < 60 or period % 60):
        raise InvalidParameterValue("Period must be 10, 20, 30 or a multiple of 60")
    if not 0 < count * period <= _LONGEST_RANGE_SECONDS:
        raise ValidationError("Metrics cannot be checked across more than seven days (EvaluationPeriods * Period).")
    if alarm.datapoints_to_alarm is not None and not 0 < int(alarm.datapoints_to_alarm) <= count:
        raise ValidationError("DatapointsToAlarm must be at least 1 and at most EvaluationPeriods.")


def _check_math(alarm: Any) -> None:
    queries = queries_of(alarm)
    if sum(query.returned for query in queries) != 1:
        raise ValidationError("Exactly one element of the metrics list should return data.")
    try:
        combine(queries, {query.id: {} for query in queries if query.selection is not None})
    except ExpressionError as error:
        raise ValidationError(f"Error in expression: {error}") from error
