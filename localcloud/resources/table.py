"""The properties of AWS::DynamoDB::Table that moto's CloudFormation drops or misreads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table

from localcloud.resources.base import properties_of

Create = Callable[..., Table]


def complete(create: Create) -> Create:
    """Wrap moto's creation of a table: encryption under the API's name, and point-in-time recovery."""

    def create_whole(  # noqa: PLR0917 - the signature that moto calls
        cls: type, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kw: Any
    ) -> Table:
        properties = properties_of(cloudformation_json)
        encryption = properties.get("SSESpecification")
        if encryption is not None:
            # A template says SSEEnabled where the API says Enabled.
            api_form = {key: value for key, value in encryption.items() if key != "SSEEnabled"}
            properties["SSESpecification"] = {**api_form, "Enabled": is_true(encryption.get("SSEEnabled"))}
        table = create(resource_name, {**cloudformation_json, "Properties": properties}, account_id, region_name, **kw)
        recovery = properties.get("PointInTimeRecoverySpecification")
        if recovery is not None:
            wanted = {**recovery, "PointInTimeRecoveryEnabled": is_true(recovery.get("PointInTimeRecoveryEnabled"))}
            dynamodb_backends[account_id][region_name].update_continuous_backups(table.name, wanted)
        table.deletion_protection_enabled = is_true(properties.get("DeletionProtectionEnabled"))
        return table

    return create_whole


def is_true(value: Any) -> bool:
    """Read a truth value: parameters of a template come as text."""
    return str(value).lower() == "true"
