"""AWS::Lambda::Alias and AWS::Lambda::Url."""

from __future__ import annotations

from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.common_models import CloudFormationModel

from localcloud.resources.base import AddedResource, properties_of


class FunctionAlias(AddedResource, CloudFormationModel):
    """An alias; `Ref` gives its ARN."""

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::Lambda::Alias"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> FunctionAlias:
        """Create the alias by the call that the API makes."""
        properties = properties_of(cloudformation_json)
        alias = lambda_backends[account_id][region_name].create_alias(
            properties["Name"],
            properties["FunctionName"],
            str(properties["FunctionVersion"]),
            properties.get("Description", ""),
            _weights(properties),
        )
        return cls(alias.arn)

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> FunctionAlias:
        """Point the alias elsewhere."""
        properties = properties_of(cloudformation_json)
        alias = lambda_backends[account_id][region_name].update_alias(
            properties["Name"],
            properties["FunctionName"],
            str(properties["FunctionVersion"]),
            properties.get("Description", ""),
            _weights(properties),
        )
        return cls(alias.arn)

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Delete the alias."""
        properties = properties_of(cloudformation_json)
        lambda_backends[account_id][region_name].delete_alias(properties["Name"], properties["FunctionName"])


class FunctionUrl(AddedResource, CloudFormationModel):
    """A function's URL; `FunctionUrl` and `FunctionArn` are its attributes."""

    attribute_names = ("FunctionUrl", "FunctionArn")

    @staticmethod
    def cloudformation_type() -> str:
        """Name of the type."""
        return "AWS::Lambda::Url"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
    ) -> FunctionUrl:
        """Open the URL by the call that the API makes."""
        properties = properties_of(cloudformation_json)
        config = {key: properties[key] for key in ("AuthType", "Cors", "InvokeMode") if key in properties}
        made = lambda_backends[account_id][region_name].create_function_url_config(
            properties["TargetFunctionArn"], config, qualifier=properties.get("Qualifier")
        )
        return cls(made.function_arn, {"FunctionUrl": made.url, "FunctionArn": made.function_arn})

    @classmethod
    def update_from_cloudformation_json(  # noqa: PLR0917 - the signature that moto calls
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> FunctionUrl:
        """Change who may call it."""
        properties = properties_of(cloudformation_json)
        config = {key: properties[key] for key in ("AuthType", "Cors", "InvokeMode") if key in properties}
        made = lambda_backends[account_id][region_name].update_function_url_config(
            properties["TargetFunctionArn"], config, qualifier=properties.get("Qualifier")
        )
        return cls(made.function_arn, {"FunctionUrl": made.url, "FunctionArn": made.function_arn})

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
    ) -> None:
        """Close the URL."""
        properties = properties_of(cloudformation_json)
        lambda_backends[account_id][region_name].delete_function_url_config(
            properties["TargetFunctionArn"], qualifier=properties.get("Qualifier")
        )


def _weights(properties: dict[str, Any]) -> dict[str, Any]:
    """The API's form of the template's list of weights."""
    listed = (properties.get("RoutingConfig") or {}).get("AdditionalVersionWeights", [])
    return {"AdditionalVersionWeights": {str(e["FunctionVersion"]): float(e["FunctionWeight"]) for e in listed}}
