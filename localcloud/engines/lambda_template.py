"""What CloudFormation makes of AWS::Lambda::Function and AWS::Lambda::Version, with all their properties."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, LambdaVersion
from moto.awslambda.utils import get_backend

from localcloud.engines.lambda_function import Function
from localcloud.patch import Change, change_classes

# Properties that the API takes under the same name and in the same shape.
_SAME = frozenset(
    {"Architectures", "Code", "DeadLetterConfig", "Description", "Environment", "EphemeralStorage", "Handler"}
    | {"ImageConfig", "KMSKeyArn", "Layers", "MemorySize", "PackageType", "ReservedConcurrentExecutions", "Role"}
    | {"Runtime", "Timeout", "TracingConfig", "VpcConfig"}
)
_NUMBERS = ("MemorySize", "Timeout", "ReservedConcurrentExecutions")


def to_spec(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Return the request of CreateFunction that a template's properties stand for."""
    spec = copy.deepcopy({key: value for key, value in properties.items() if key in _SAME})
    spec["FunctionName"] = name
    for key in _NUMBERS:
        if key in spec:
            spec[key] = int(spec[key])  # a template's parameters are text
    variables = (spec.get("Environment") or {}).get("Variables") or {}
    if variables:
        spec["Environment"] = {"Variables": {key: _to_text(value) for key, value in variables.items()}}
    if "Tags" in properties:
        spec["Tags"] = {tag["Key"]: tag["Value"] for tag in properties["Tags"]}
    if "ZipFile" in spec["Code"]:
        source = spec["Code"]["ZipFile"]
        packed = LambdaFunction._create_zipfile_from_plaintext_code(source)
        spec["Code"]["ZipFile"] = base64.b64encode(packed).decode()
    spec.setdefault("PackageType", "Image" if "ImageUri" in spec["Code"] else "Zip")
    return spec


def _create_function(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
) -> Function:
    # CloudFormation waits until the function is active before it goes on.
    function: Function = get_backend(account_id, region_name).create_function(
        to_spec(resource_name, cloudformation_json["Properties"])
    )
    function.settle()
    return function


def _update_function(  # noqa: PLR0917 - the signature that moto calls
    cls: type,
    /,
    original_resource: Function,
    new_resource_name: str,
    cloudformation_json: dict[str, Any],
    account_id: str,
    region_name: str,
) -> Function:
    backend = get_backend(account_id, region_name)
    spec = to_spec(original_resource.function_name, cloudformation_json["Properties"])
    code = spec.pop("Code")
    spec.pop("PackageType")
    name = spec.pop("FunctionName")
    original_resource.tags = spec.pop("Tags", original_resource.tags)
    original_resource.reserved_concurrency = spec.pop("ReservedConcurrentExecutions", None)
    spec.setdefault("Environment", {"Variables": {}})
    for change, body in (
        (backend.update_function_code, code),
        (backend.update_function_configuration, spec),
    ):
        original_resource.settle()
        change(name, None, body)
    original_resource.settle()
    return original_resource


def _create_version(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **_: Any
) -> Any:
    properties = cloudformation_json["Properties"]
    backend = get_backend(account_id, region_name)
    function = backend.publish_version(
        properties["FunctionName"], properties.get("Description"), code_sha256=properties.get("CodeSha256")
    )
    version = LambdaVersion({"Version": function.version})
    version.function = function
    return version


def _update_version(cls: type, /, original_resource: Any, **_: Any) -> Any:
    return original_resource  # a version never changes


def _delete_version(self: Any, account_id: str, region: str) -> None:
    try:
        get_backend(account_id, region).delete_function(self.function.function_name, self.version)
    except UnknownFunctionException:
        return  # deleted with its function


def _read_version(self: Any, attribute: str) -> str:
    from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

    found = {"Version": self.version, "FunctionArn": self.function.function_arn}
    if attribute not in found:
        raise UnformattedGetAttTemplateException
    return str(found[attribute])


def replace_resources() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    changes: list[Change] = [
        (LambdaFunction, "create_from_cloudformation_json", classmethod(_create_function)),
        (LambdaFunction, "update_from_cloudformation_json", classmethod(_update_function)),
        (LambdaVersion, "create_from_cloudformation_json", classmethod(_create_version)),
        (LambdaVersion, "update_from_cloudformation_json", classmethod(_update_version)),
        (LambdaVersion, "has_cfn_attr", classmethod(lambda cls, attr: attr in {"Version", "FunctionArn"})),
        (LambdaVersion, "get_cfn_attribute", _read_version),
        (LambdaVersion, "physical_resource_id", property(lambda self: self.function.function_arn)),
        (LambdaVersion, "delete", _delete_version),
    ]
    return change_classes(changes)


def _to_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
