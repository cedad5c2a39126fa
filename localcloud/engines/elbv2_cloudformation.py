"""What CloudFormation makes of AWS::ElasticLoadBalancingV2::*, with the properties and attributes that moto drops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException
from moto.elbv2.exceptions import ELBClientError
from moto.elbv2.models import FakeListener, FakeListenerRule, FakeLoadBalancer, FakeTargetGroup, elbv2_backends

from localcloud.patch import change_classes

_CHECK_KEYWORDS = {
    "health_check_proto": "HealthCheckProtocol",
    "health_check_port": "HealthCheckPort",
    "health_check_path": "HealthCheckPath",
    "health_check_interval": "HealthCheckIntervalSeconds",
    "health_check_timeout": "HealthCheckTimeoutSeconds",
    "healthy_threshold_count": "HealthyThresholdCount",
    "unhealthy_threshold_count": "UnhealthyThresholdCount",
}
_WHOLE_NUMBERS = ("Port", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds")


def replace_resources() -> Callable[[], None]:
    """Put these in the place of moto's; the returned function undoes it."""
    return change_classes(
        [
            (FakeTargetGroup, "create_from_cloudformation_json", classmethod(_create_group)),
            (FakeTargetGroup, "update_from_cloudformation_json", classmethod(_update_group)),
            (FakeTargetGroup, "delete", _delete_group),
            (FakeTargetGroup, "has_cfn_attr", classmethod(lambda cls, attr: attr in _GROUP_ATTRIBUTES)),
            (FakeTargetGroup, "get_cfn_attribute", _reader(_GROUP_ATTRIBUTES)),
            (FakeLoadBalancer, "create_from_cloudformation_json", classmethod(_create_balancer)),
            (FakeLoadBalancer, "update_from_cloudformation_json", classmethod(_update_balancer)),
            (FakeLoadBalancer, "has_cfn_attr", classmethod(lambda cls, attr: attr in _BALANCER_ATTRIBUTES)),
            (FakeLoadBalancer, "get_cfn_attribute", _reader(_BALANCER_ATTRIBUTES)),
            (FakeListener, "create_from_cloudformation_json", classmethod(_create_listener)),
            (FakeListener, "update_from_cloudformation_json", classmethod(_update_listener)),
            (FakeListener, "delete", _delete_listener),
            (FakeListener, "has_cfn_attr", classmethod(lambda cls, attr: attr in _LISTENER_ATTRIBUTES)),
            (FakeListener, "get_cfn_attribute", _reader(_LISTENER_ATTRIBUTES)),
            (FakeListenerRule, "delete", _delete_rule),
        ]
    )


def _create_group(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    properties = _numbers(cloudformation_json["Properties"])
    backend = elbv2_backends[account_id][region_name]
    group = backend.create_target_group(
        name=resource_name,
        vpc_id=properties.get("VpcId"),
        protocol=properties.get("Protocol"),
        protocol_version=properties.get("ProtocolVersion"),
        port=properties.get("Port"),
        healthcheck_protocol=properties.get("HealthCheckProtocol"),
        healthcheck_port=properties.get("HealthCheckPort"),
        healthcheck_path=properties.get("HealthCheckPath"),
        healthcheck_interval_seconds=properties.get("HealthCheckIntervalSeconds"),
        healthcheck_timeout_seconds=properties.get("HealthCheckTimeoutSeconds"),
        healthcheck_enabled=str(properties.get("HealthCheckEnabled", "true")).lower(),
        healthy_threshold_count=properties.get("HealthyThresholdCount"),
        unhealthy_threshold_count=properties.get("UnhealthyThresholdCount"),
        matcher=properties.get("Matcher"),
        target_type=properties.get("TargetType"),
        tags=properties.get("Tags"),
    )
    _set_group_attributes(backend, group, properties)
    return group


def _update_group(  # noqa: PLR0917 - the signature that moto calls
    cls: type,
    /,
    original_resource: Any,
    new_resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
) -> Any:
    properties = _numbers(cloudformation_json["Properties"])
    backend = elbv2_backends[account_id][region_name]
    changes = {keyword: properties.get(name) for keyword, name in _CHECK_KEYWORDS.items()}
    codes = (properties.get("Matcher") or {}).get("HttpCode")
    backend.modify_target_group(original_resource.arn, http_codes=codes, **changes)
    _set_group_attributes(backend, original_resource, properties)
    return original_resource


def _set_group_attributes(backend: Any, group: Any, properties: Mapping[str, Any]) -> None:
    attributes = {pair["Key"]: str(pair["Value"]) for pair in properties.get("TargetGroupAttributes") or []}
    backend.modify_target_group_attributes(group.arn, attributes)


def _delete_group(self: Any, account_id: str, region: str) -> None:
    elbv2_backends[account_id][region].delete_target_group(self.arn)


def _create_balancer(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    properties = cloudformation_json["Properties"]
    backend = elbv2_backends[account_id][region_name]
    balancer = backend.create_load_balancer(
        resource_name,
        properties.get("SecurityGroups") or [],
        properties.get("Subnets") or [],
        subnet_mappings=properties.get("SubnetMappings"),
        scheme=properties.get("Scheme", "internet-facing"),
        loadbalancer_type=properties.get("Type"),
        tags=properties.get("Tags"),
    )
    return _update_attributes(backend, balancer, properties)


def _update_balancer(  # noqa: PLR0917 - the signature that moto calls
    cls: type,
    /,
    original_resource: Any,
    new_resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
) -> Any:
    properties = cloudformation_json["Properties"]
    original_resource.security_groups = properties.get("SecurityGroups") or original_resource.security_groups
    return _update_attributes(elbv2_backends[account_id][region_name], original_resource, properties)


def _update_attributes(backend: Any, balancer: Any, properties: Mapping[str, Any]) -> Any:
    attributes = {pair["Key"]: str(pair["Value"]) for pair in properties.get("LoadBalancerAttributes") or []}
    backend.modify_load_balancer_attributes(balancer.arn, attributes)
    return balancer


def _create_listener(  # noqa: PLR0917 - the signature that moto calls
    cls: type, /, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Any:
    properties = _numbers(cloudformation_json["Properties"])
    certificates = properties.get("Certificates") or []
    return elbv2_backends[account_id][region_name].create_listener(
        properties.get("LoadBalancerArn"),
        properties.get("Protocol"),
        properties.get("Port"),
        properties.get("SslPolicy"),
        certificates[0].get("CertificateArn") if certificates else None,
        _actions(properties),
    )


def _update_listener(  # noqa: PLR0917 - the signature that moto calls
    cls: type,
    /,
    original_resource: Any,
    new_resource_name: str,
    cloudformation_json: Any,
    account_id: str,
    region_name: str,
) -> Any:
    properties = _numbers(cloudformation_json["Properties"])
    return elbv2_backends[account_id][region_name].modify_listener(
        original_resource.arn,
        properties.get("Port"),
        properties.get("Protocol"),
        properties.get("SslPolicy"),
        properties.get("Certificates"),
        _actions(properties),
    )


def _delete_listener(self: Any, account_id: str, region: str) -> None:
    try:
        elbv2_backends[account_id][region].delete_listener(self.arn)
    except ELBClientError:
        return  # gone with its load balancer


def _delete_rule(self: Any, account_id: str, region: str) -> None:
    elbv2_backends[account_id][region].delete_rule(self.arn)


def _actions(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    # moto keeps a forward's TargetGroupArn alone, and so loses its weights.
    return [dict(action) for action in properties["DefaultActions"]]


def _numbers(properties: Mapping[str, Any]) -> dict[str, Any]:
    # The values of a template's parameters are text.
    return {key: int(value) if key in _WHOLE_NUMBERS else value for key, value in properties.items()}


def _reader(attributes: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any, str], Any]:
    def read(self: Any, attribute_name: str) -> Any:
        if attribute_name not in attributes:
            raise UnformattedGetAttTemplateException
        return attributes[attribute_name](self)

    return read


_GROUP_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "TargetGroupArn": lambda group: group.arn,
    "TargetGroupName": lambda group: group.name,
    "TargetGroupFullName": lambda group: group.arn.rsplit(":", 1)[1],
    "LoadBalancerArns": lambda group: group.load_balancer_arns,
}
_BALANCER_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    "DNSName": lambda balancer: balancer.dns_name,
    "LoadBalancerArn": lambda balancer: balancer.arn,
    "LoadBalancerName": lambda balancer: balancer.name,
    "LoadBalancerFullName": lambda balancer: balancer.arn.split("loadbalancer/", 1)[1],
    "CanonicalHostedZoneID": lambda balancer: balancer.canonical_hosted_zone_id,
    "SecurityGroups": lambda balancer: balancer.security_groups,
}
_LISTENER_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {"ListenerArn": lambda listener: listener.arn}
