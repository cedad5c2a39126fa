"""AWS::CloudWatch::Alarm."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.core.common_models import CloudFormationModel

from localcloud.resources.base import AddedResource, properties_of


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
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> MetricAlarm:
        """Create the alarm by the call that the API makes."""
        properties = properties_of(cloudformation_json)
        found = properties.get("DatapointsToAlarm")
        alarm = cloudwatch_backends[account_id][region_name].put_metric_alarm(
            name=resource_name,
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
        return cls(resource_name, {"Arn": alarm.alarm_arn})

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> MetricAlarm:
        """Write the alarm anew under its name."""
        return cls.create_from_cloudformation_json(
            original_resource.physical_id, cloudformation_json, account_id, region_name
        )

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Delete the alarm."""
        cloudwatch_backends[account_id][region_name].delete_alarms([resource_name])
