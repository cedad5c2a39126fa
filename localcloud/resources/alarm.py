"""AWS::CloudWatch::Alarm."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel

from localcloud.resources.base import AddedResource, Place


class MetricAlarm(AddedResource, CloudFormationModel):
    """An alarm on one metric; `Ref` gives its name."""

    attribute_names = ("Arn",)

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names the resource."""
        return "AlarmName"

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> MetricAlarm:
        """Put the alarm; an alarm of the name is written over."""
        found = properties.get("DatapointsToAlarm")
        alarm = cloudwatch_backends[place.account_id][place.region_name].put_metric_alarm(
            name=place.name,
            namespace=properties["Namespace"],
            metric_name=properties["MetricName"],
            comparison_operator=properties["ComparisonOperator"],
            evaluation_periods=int(properties["EvaluationPeriods"]),
            period=int(properties["Period"]),
            threshold=float(properties["Threshold"]),
            statistic=properties.get("Statistic", ""),
            extended_statistic=properties.get("ExtendedStatistic"),
            description=properties.get("AlarmDescription", ""),
            dimensions=properties.get("Dimensions", []),
            alarm_actions=properties.get("AlarmActions", []),
            ok_actions=properties.get("OKActions", []),
            insufficient_data_actions=properties.get("InsufficientDataActions", []),
            datapoints_to_alarm=int(found) if found else None,
            treat_missing_data=properties.get("TreatMissingData"),
        )
        return cls(place.name, {"Arn": alarm.alarm_arn})

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Delete the alarm."""
        cloudwatch_backends[place.account_id][place.region_name].delete_alarms([place.name])
