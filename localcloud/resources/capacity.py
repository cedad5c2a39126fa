"""AWS::ECS::CapacityProvider and AWS::ECS::ClusterCapacityProviderAssociations."""

from __future__ import annotations

from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.ecs.models import ecs_backends

from localcloud.resources.base import AddedResource, Place

_WHOLE_NUMBERS = ("instanceWarmupPeriod", "minimumScalingStepSize", "maximumScalingStepSize", "targetCapacity")


class CapacityProvider(AddedResource, CloudFormationModel):
    """A capacity provider of an Auto Scaling group; `Ref` gives its name."""

    @staticmethod
    def cloudformation_name_type() -> str:
        """The property that names the resource."""
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::ECS::CapacityProvider"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> CapacityProvider:
        """Make the provider."""
        backend = ecs_backends[place.account_id][place.region_name]
        backend.create_capacity_provider(place.name, _group(properties), _tags(properties))
        return cls(place.name)

    @classmethod
    def change(cls, properties: dict[str, Any], place: Place) -> CapacityProvider:
        """Change how the group is scaled."""
        ecs_backends[place.account_id][place.region_name].update_capacity_provider(place.name, _group(properties))
        return cls(place.name)

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Delete the provider."""
        ecs_backends[place.account_id][place.region_name].delete_capacity_provider(place.name)


class ClusterCapacityProviderAssociations(AddedResource, CloudFormationModel):
    """Which providers a cluster has; `Ref` gives the cluster's name."""

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::ECS::ClusterCapacityProviderAssociations"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> ClusterCapacityProviderAssociations:
        """Give the cluster its providers and default strategy."""
        strategy = [_strategy(each) for each in properties.get("DefaultCapacityProviderStrategy", [])]
        ecs_backends[place.account_id][place.region_name].put_cluster_capacity_providers(
            properties["Cluster"], list(properties["CapacityProviders"]), strategy
        )
        return cls(properties["Cluster"])

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Take the providers from the cluster, if it is still there."""
        backend = ecs_backends[place.account_id][place.region_name]
        if str(properties["Cluster"]).rsplit("/", 1)[-1] in backend.clusters:
            backend.put_cluster_capacity_providers(properties["Cluster"], [], [])


def _group(properties: dict[str, Any]) -> dict[str, Any]:
    found = {_lower(key): value for key, value in properties["AutoScalingGroupProvider"].items()}
    scaling = {_lower(key): value for key, value in (found.get("managedScaling") or {}).items()}
    found["managedScaling"] = {key: int(value) if key in _WHOLE_NUMBERS else value for key, value in scaling.items()}
    return found


def _strategy(item: dict[str, Any]) -> dict[str, Any]:
    found = {_lower(key): value for key, value in item.items()}
    return {key: value if key == "capacityProvider" else int(value) for key, value in found.items()}


def _tags(properties: dict[str, Any]) -> list[dict[str, str]]:
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in properties.get("Tags", [])]


def _lower(key: str) -> str:
    return key[:1].lower() + key[1:]
