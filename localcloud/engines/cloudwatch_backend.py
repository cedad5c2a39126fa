"""The CloudWatch backend: moto's alarms and dashboards, with metrics that add up and alarms that are evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend, MetricDatumBase

from localcloud.alarm import AlarmState, Finding, evaluate
from localcloud.alarm_rule import read_rule
from localcloud.alarm_text import describe_state, reason_data
from localcloud.engines.cloudwatch_action import Actions, Change
from localcloud.engines.cloudwatch_alarm import (
    check_alarm,
    condition_of,
    lacks_samples,
    period_of,
    read_datapoints,
    statistic_of,
)
from localcloud.engines.cloudwatch_history import History, ItemType, alarm_type
from localcloud.lock import service_lock
from localcloud.metric import Metrics, Region, Sample
from localcloud.metric_query import Library, read_dimensions

_PAST_SECONDS, _FUTURE_SECONDS = 14 * 24 * 3600, 2 * 3600
_lock = service_lock("monitoring")


class Backend(CloudWatchBackend):  # type: ignore[misc]
    """CloudWatch of one account and region."""

    metrics: ClassVar[Metrics]
    actions: ClassVar[Actions]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.place = Region(account_id, region_name)
        self.library = Library(self.metrics, self.place)
        self.history = History()

    def resume(self) -> None:
        """Take up what an earlier localcloud left."""
        self.library = Library(self.metrics, self.place)

    def reset(self) -> None:
        """Forget everything."""
        self.metrics.clear(self.place)
        super().reset()

    def put_metric_alarm(self, name: str, **kwargs: Any) -> Any:
        """Make an alarm or write over one; as on AWS, the state of one that is there stays until it is evaluated."""
        with _lock:
            before = self.alarms.get(name)
            alarm = super().put_metric_alarm(name=name, **kwargs)
            try:
                check_alarm(alarm)
            except Exception:
                del self.alarms[name]
                if before is not None:
                    self.alarms[name] = before
                raise
            _begin_state(alarm, before)
            summary = f'Alarm "{name}" {"updated" if before is not None else "created"}'
            self.history.note(alarm, ItemType.CONFIGURATION, summary, {"type": "Update" if before else "Create"})
        return alarm

    def delete_alarms(self, alarm_names: list[str]) -> None:
        """Delete alarms; those that do not exist are passed over."""
        with _lock:
            for alarm in [self.alarms[name] for name in alarm_names if name in self.alarms]:
                self.history.note(alarm, ItemType.CONFIGURATION, f'Alarm "{alarm.name}" deleted', {"type": "Delete"})
            super().delete_alarms(alarm_names)

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        """Put an alarm into a state until it is evaluated again; its actions are carried out."""
        with _lock:
            alarm = self.alarms.get(alarm_name)
            before = None if alarm is None else alarm.state_value
            super().set_alarm_state(alarm_name, reason, reason_data, state_value)
            if alarm is not None:
                self._follow(alarm, str(before))

    def evaluate_alarm(self, alarm: Any, end: float) -> None:
        """Look at an alarm's last periods, which end at a moment in seconds since the epoch, and move it."""
        datapoints = read_datapoints(alarm, self.library, end)
        if lacks_samples(alarm, datapoints):
            return
        condition = condition_of(alarm)
        finding = evaluate(condition, datapoints)
        with _lock:
            if finding.state is None or finding.state == alarm.state_value or self.alarms.get(alarm.name) is not alarm:
                return
            reason = describe_state(condition, finding, AlarmState(alarm.state_value))
            self._move(alarm, finding.state, reason, self._data_of(alarm, finding))

    def evaluate_composite(self, alarm: Any) -> None:
        """Look at the alarms that a composite one looks at, and move it."""
        with _lock:
            states = {name: AlarmState(each.state_value) for name, each in self.alarms.items()}
            rule = read_rule(alarm.rule)
            state = AlarmState.ALARM if rule.holds(states.get) else AlarmState.OK
            if state != alarm.state_value and self.alarms.get(alarm.name) is alarm:
                shown = ", ".join(f"{name} is {states.get(name, 'gone')}" for name in sorted(rule.alarms))
                reason = f"{alarm.alarm_arn} transitioned to {state}: {shown}"
                self._move(alarm, state, reason, {"triggeringAlarms": [{"name": name} for name in sorted(rule.alarms)]})

    def put_metric_data(self, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        """Take in a client's samples."""
        now = self.metrics.clock()
        for number, datum in enumerate(metric_data, start=1):
            self._validate_parameters_put_metric_data(datum, number)
            at = datum.get("Timestamp")
            if at is not None and not now - _PAST_SECONDS <= seconds_of(at) <= now + _FUTURE_SECONDS:
                raise InvalidParameterValue(
                    f"The value for parameter MetricData.member.{number}.Timestamp is more than two weeks old or more "
                    "than two hours ahead."
                )
        for datum in metric_data:
            self._take(namespace, datum)

    def get_all_metrics(self) -> list[MetricDatumBase]:
        """Return what moto's own parts ask for: the metrics that its services make up, without our own."""
        found: list[MetricDatumBase] = self.aws_metric_data
        return found

    def _take(self, namespace: str, datum: Mapping[str, Any]) -> None:
        at = datum.get("Timestamp")
        base = Sample(
            namespace,
            str(datum["MetricName"]),
            read_dimensions(datum.get("Dimensions")),
            float(datum.get("Value") or 0.0),
            str(datum.get("Unit") or "None"),
            at_seconds=None if at is None else seconds_of(at),
            resolution_seconds=1 if int(datum.get("StorageResolution") or 60) == 1 else 60,
        )
        if found := datum.get("StatisticValues"):
            self.metrics.record_set(
                self.place,
                _with(base, 0.0, float(found["SampleCount"])),
                total=float(found["Sum"]),
                minimum=float(found["Minimum"]),
                maximum=float(found["Maximum"]),
            )
        elif values := datum.get("Values"):
            counts = datum.get("Counts") or [1.0] * len(values)
            pairs = zip(values, counts, strict=True)
            self.metrics.record(self.place, *(_with(base, float(value), float(count)) for value, count in pairs))
        else:
            self.metrics.record(self.place, base)

    def _data_of(self, alarm: Any, finding: Finding) -> dict[str, Any]:
        return reason_data(
            condition_of(alarm),
            finding,
            statistic=statistic_of(alarm),
            period=period_of(alarm),
            now=self.metrics.clock(),
        )

    def _move(self, alarm: Any, state: AlarmState, reason: str, data: Mapping[str, Any]) -> None:
        before = alarm.state_value
        alarm.update_state(reason, json.dumps(data), state.value)
        self._follow(alarm, before)

    def _follow(self, alarm: Any, before: str) -> None:
        """Write a change of state down, and carry out what the alarm says for the state."""
        alarm.history.clear()  # moto's own, which nobody shows
        if alarm.state_value == before:
            return
        now = datetime.now(UTC)
        alarm.state_transitioned_timestamp = now
        summary = f"Alarm updated from {before} to {alarm.state_value}"
        new_state = {"stateValue": alarm.state_value, "stateReason": alarm.state_reason}
        self.history.note(alarm, ItemType.STATE, summary, {"oldState": {"stateValue": before}, "newState": new_state})
        change = Change(describe_alarm(alarm), self.account_id, self.region_name, before, now)
        for arn in _actions_of(alarm):
            self.actions.fire(arn, change, lambda done, error: self._note_action(alarm, done, error))

    def _note_action(self, alarm: Any, arn: str, error: str | None) -> None:
        summary = f"Successfully executed action {arn}" if error is None else f"Failed to execute action {arn}"
        state = "Succeeded" if error is None else "Failed"
        self.history.note(alarm, ItemType.ACTION, summary, {"actionState": state, "error": error, "resource": arn})


def describe_alarm(alarm: Any) -> dict[str, Any]:
    """Return an alarm in the API's keys, without what it has not; `Dimensions` are pairs of name and value."""
    found = {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.alarm_arn,
        "AlarmType": alarm_type(alarm),
        "AlarmDescription": alarm.description,
        "AlarmConfigurationUpdatedTimestamp": alarm.configuration_updated_timestamp,
        "ActionsEnabled": alarm.actions_enabled,
        "OKActions": list(alarm.ok_actions or []),
        "AlarmActions": list(alarm.alarm_actions or []),
        "InsufficientDataActions": list(alarm.insufficient_data_actions or []),
        "StateValue": alarm.state_value,
        "StateReason": alarm.state_reason,
        "StateReasonData": alarm.state_reason_data,
        "StateTransitionedTimestamp": getattr(alarm, "state_transitioned_timestamp", None),
    }
    if alarm.rule is not None:
        return {**found, "AlarmRule": alarm.rule}
    watched = {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "Statistic": alarm.statistic or None,
        "ExtendedStatistic": alarm.extended_statistic,
        "Dimensions": [(each.name, each.value) for each in alarm.dimensions],
        "Period": period_of(alarm),
        "Unit": alarm.unit,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison_operator,
        "TreatMissingData": alarm.treat_missing_data,
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile,
    }
    return {**found, **watched}


def seconds_of(moment: datetime) -> float:
    """Return a moment in seconds since the epoch; moto's moments without a zone are in UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _with(sample: Sample, value: float, count: float) -> Sample:
    if count < 0:
        raise ValidationError("Counts and SampleCount must not be negative.")
    return replace(sample, value=value, count=count)


def _begin_state(alarm: Any, before: Any) -> None:
    if before is None:
        alarm.state_value = AlarmState.INSUFFICIENT_DATA.value
        alarm.state_transitioned_timestamp = alarm.state_updated_timestamp
        return
    alarm.state_value, alarm.state_reason = before.state_value, before.state_reason
    alarm.state_reason_data = before.state_reason_data
    alarm.state_updated_timestamp = before.state_updated_timestamp
    alarm.state_transitioned_timestamp = getattr(before, "state_transitioned_timestamp", None)


def _actions_of(alarm: Any) -> Iterable[str]:
    if not alarm.actions_enabled:
        return ()
    by_state = {
        "OK": alarm.ok_actions,
        "ALARM": alarm.alarm_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    return list(dict.fromkeys(by_state[alarm.state_value] or ()))
