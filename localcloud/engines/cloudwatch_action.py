"""What alarms set in motion when their state changes: topics, functions, scaling policies."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from localcloud.alarm_text import describe_trigger, subject

_log = logging.getLogger(__name__)


class ActionError(Exception):
    """An action cannot be carried out; the message says why."""


@dataclass(frozen=True)
class Change:
    """An alarm's way from one state to another.

    Attributes
    ----------
    alarm
        The alarm as the API describes it.
    """

    alarm: Mapping[str, Any]
    account: str
    region: str
    before: str
    at: datetime


class Actions:
    """Carries actions out, one after the other, on a thread of its own: an alarm does not wait for them."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="alarm-action")

    def fire(self, arn: str, change: Change, note: Callable[[str, str | None], None]) -> None:
        """Carry an action out later.

        Parameters
        ----------
        note
            Called with the action and what went wrong, or None.
        """
        try:
            self._pool.submit(_run, arn, change, note)
        except RuntimeError:
            _log.info("the alarm action %s comes after the end", arn)

    def close(self) -> None:
        """Finish the action under way, forget the others."""
        self._pool.shutdown(cancel_futures=True)


def _run(arn: str, change: Change, note: Callable[[str, str | None], None]) -> None:
    try:
        _perform(arn, change)
    except ActionError as error:
        note(arn, str(error))
    except Exception as error:  # noqa: BLE001 - the edge of this thread; another service has refused
        _log.info("the alarm action %s failed: %s", arn, error)
        note(arn, f"{type(error).__name__}: {error}")
    else:
        note(arn, None)


def _perform(arn: str, change: Change) -> None:
    service = arn.split(":")[2] if arn.count(":") >= 5 else ""
    perform = {"sns": _publish, "lambda": _invoke, "autoscaling": _scale}.get(service)
    if perform is None:
        raise ActionError(f"localcloud carries out actions of SNS, Lambda and Auto Scaling, not {arn}")
    perform(arn, change)


def _publish(arn: str, change: Change) -> None:
    from moto.sns.models import sns_backends

    _, _, _, region, account, _ = arn.split(":", 5)
    name = str(change.alarm["AlarmName"])
    sns_backends[account][region].publish(
        json.dumps(describe_message(change)),
        arn,
        subject=subject(name, str(change.alarm["StateValue"]), change.region),
    )


def _invoke(arn: str, change: Change) -> None:
    from moto.awslambda.models import lambda_backends

    parts = arn.split(":")
    qualifier = parts[7] if len(parts) > 7 else None
    # No headers: moto's other services call functions like this, and do not wait for them.
    lambda_backends[parts[4]][parts[3]].invoke(parts[6], qualifier, json.dumps(describe_event(change)), {}, {})


def _scale(arn: str, change: Change) -> None:
    from moto.autoscaling.models import autoscaling_backends

    policies = autoscaling_backends[change.account][change.region].policies
    found = next((name for name, policy in policies.items() if policy.arn == arn), None)
    if found is None:
        raise ActionError(f"there is no scaling policy {arn}")
    policies[found].execute()


def describe_message(change: Change) -> dict[str, Any]:
    """Return what a topic gets."""
    alarm = change.alarm
    message = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AWSAccountId": change.account,
        "AlarmConfigurationUpdatedTimestamp": _iso(alarm["AlarmConfigurationUpdatedTimestamp"]),
        "NewStateValue": alarm["StateValue"],
        "NewStateReason": alarm["StateReason"],
        "StateChangeTime": _iso(change.at),
        "Region": change.region,
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": change.before,
        "OKActions": alarm["OKActions"],
        "AlarmActions": alarm["AlarmActions"],
        "InsufficientDataActions": alarm["InsufficientDataActions"],
    }
    if "AlarmRule" in alarm:
        return {**message, "AlarmRule": alarm["AlarmRule"]}
    return {**message, "Trigger": describe_trigger(alarm, alarm.get("Dimensions", ()))}


def describe_event(change: Change) -> dict[str, Any]:
    """Return the event that a function gets."""
    alarm = change.alarm
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": change.account,
        "time": _iso(change.at),
        "region": change.region,
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": {
                "value": alarm["StateValue"],
                "reason": alarm["StateReason"],
                "reasonData": alarm.get("StateReasonData"),
                "timestamp": _iso(change.at),
            },
            "previousState": {"value": change.before},
            "configuration": {"description": alarm.get("AlarmDescription")},
        },
    }


def _iso(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{aware:%Y-%m-%dT%H:%M:%S}.{aware.microsecond // 1000:03d}+0000"
