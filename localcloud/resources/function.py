"""AWS::Lambda::Alias and AWS::Lambda::Url."""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.common_models import CloudFormationModel

from localcloud.resources.base import AddedResource, Place


class FunctionAlias(AddedResource, CloudFormationModel):
    """An alias; `Ref` gives its ARN."""

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::Lambda::Alias"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> FunctionAlias:
        """Create the alias."""
        return cls(_backend(place).create_alias(*_alias_arguments(properties)).arn)

    @classmethod
    def change(cls, properties: dict[str, Any], place: Place) -> FunctionAlias:
        """Point the alias elsewhere."""
        return cls(_backend(place).update_alias(*_alias_arguments(properties)).arn)

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Delete the alias."""
        _backend(place).delete_alias(properties["Name"], properties["FunctionName"])


class FunctionUrl(AddedResource, CloudFormationModel):
    """A function's URL; `FunctionUrl` and `FunctionArn` are its attributes."""

    attribute_names = ("FunctionUrl", "FunctionArn")

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::Lambda::Url"

    @classmethod
    def create(cls, properties: dict[str, Any], place: Place) -> FunctionUrl:
        """Open the URL."""
        return cls._from(_backend(place).create_function_url_config(*_url_arguments(properties)))

    @classmethod
    def change(cls, properties: dict[str, Any], place: Place) -> FunctionUrl:
        """Change who may call it."""
        return cls._from(_backend(place).update_function_url_config(*_url_arguments(properties)))

    @classmethod
    def remove(cls, properties: dict[str, Any], place: Place) -> None:
        """Close the URL."""
        name, _, qualifier = _url_arguments(properties)
        _backend(place).delete_function_url_config(name, qualifier)

    @classmethod
    def _from(cls, made: Any) -> FunctionUrl:
        return cls(made.function_arn, {"FunctionUrl": made.url, "FunctionArn": made.function_arn})


def _backend(place: Place) -> Any:
    return lambda_backends[place.account_id][place.region_name]


def _url_arguments(properties: dict[str, Any]) -> tuple[str, dict[str, Any], str | None]:
    config: dict[str, Any] = {key: properties[key] for key in ("AuthType", "Cors", "InvokeMode") if key in properties}
    return properties["TargetFunctionArn"], config, properties.get("Qualifier")


def _alias_arguments(properties: dict[str, Any]) -> tuple[str, str, str, str, dict[str, Any]]:
    """The API's arguments; it wants the weights as a mapping, the template lists them."""
    listed = (properties.get("RoutingConfig") or {}).get("AdditionalVersionWeights", [])
    weights = {str(entry["FunctionVersion"]): float(entry["FunctionWeight"]) for entry in listed}
    return (
        properties["Name"],
        properties["FunctionName"],
        str(properties["FunctionVersion"]),
        properties.get("Description", ""),
        {"AdditionalVersionWeights": weights},
    )
