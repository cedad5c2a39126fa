"""The stack's alarms as a release sees them: one that begins to ring after the plan was made sends every target back.

An alarm that rang before says nothing about the candidate, and must not keep a fix from going live: the plan remembers
since when it rings, and it counts again as soon as that has changed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ratchet.aws import Aws, Deployment, translate_errors

IAM_ACTIONS = ("cloudwatch:DescribeAlarms",)


class AlarmWatch:
    """Asks CloudWatch which of the stack's serving alarms ring."""

    def __init__(self, aws: Aws, deployment: Deployment) -> None:
        self._aws = aws
        self._names = deployment.alarm_names.split(",")

    def ringing(self) -> dict[str, str]:
        """For each alarm in ALARM since when it is, as CloudWatch says it; compared for equality only."""
        with translate_errors("look at the stack's alarms", "The release's role needs cloudwatch:DescribeAlarms."):
            found = self._aws.client("cloudwatch").describe_alarms(AlarmNames=self._names, StateValue="ALARM")
        return {alarm["AlarmName"]: str(alarm.get("StateTransitionedTimestamp", "")) for alarm in found["MetricAlarms"]}


def heard(ringing: Mapping[str, str], excused: Mapping[str, str]) -> str:
    """Name the alarms that speak against a release; empty when none does.

    Parameters
    ----------
    ringing
        Since when each alarm rings.
    excused
        The same, from when the release was planned.
    """
    loud = sorted(name for name, since in ringing.items() if excused.get(name) != since)
    return (
        f"the alarm{'s' if len(loud) > 1 else ''} {', '.join(loud)} ring{'' if len(loud) > 1 else 's'}" if loud else ""
    )
