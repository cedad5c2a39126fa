"""The properties of AWS::S3::Bucket that moto's CloudFormation drops without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from moto.s3.exceptions import BucketNotEmpty
from moto.s3.models import FakeBucket, s3_backends
from moto.utilities.utils import get_partition

from localcloud.resources.base import properties_of
from localcloud.resources.lifecycle import api_rules

_NOTIFICATIONS = {
    "QueueConfigurations": ("QueueConfiguration", "Queue"),
    "TopicConfigurations": ("TopicConfiguration", "Topic"),
    "LambdaConfigurations": ("CloudFunctionConfiguration", "CloudFunction"),
}
Create = Callable[..., FakeBucket]


def complete(create: Create) -> Create:
    """Wrap moto's creation of a bucket so that the rest of its properties are put as the API puts them."""

    def create_whole(  # noqa: PLR0917 - the signature that moto calls
        cls: type, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str, **kw: Any
    ) -> FakeBucket:
        bucket = create(resource_name, cloudformation_json, account_id, region_name, **kw)
        put_properties(bucket.name, properties_of(cloudformation_json), account_id, region_name)
        return bucket

    return create_whole


def complete_update(update: Create) -> Create:
    """Wrap moto's update of a bucket likewise."""

    def update_whole(cls: type, **arguments: Any) -> FakeBucket:
        bucket = update(**arguments)
        properties = properties_of(arguments["cloudformation_json"])
        put_properties(bucket.name, properties, arguments["account_id"], arguments["region_name"])
        return bucket

    return update_whole


def delete_empty(  # noqa: PLR0917 - the signature that moto calls
    cls: type, resource_name: str, cloudformation_json: dict[str, Any], account_id: str, region_name: str
) -> None:
    """Delete a bucket; `BucketNotEmpty` when it holds something, where moto says nothing and leaves it."""
    backend = s3_backends[account_id][get_partition(region_name)]
    if backend.delete_bucket(resource_name) is None:
        raise BucketNotEmpty(resource_name)


def judge_without_tls(get_permission: Callable[[Any, str, str], Any]) -> Callable[[FakeBucket, str, str], Any]:
    """Count the loopback as a secure transport: a policy that refuses plain HTTP does not refuse here.

    moto looks at no condition of a bucket policy, so a rule for insecure requests alone would refuse every one.
    """

    def permission(self: FakeBucket, action: str, resource: str) -> Any:
        kept = self.policy
        if kept is None:
            return get_permission(self, action, resource)
        policy = json.loads(kept)
        policy["Statement"] = [rule for rule in policy["Statement"] if not _is_for_plain_http(rule)]
        # The bucket itself stays as it is: other requests look at its policy at the same time.
        judged = SimpleNamespace(policy=json.dumps(policy).encode() if policy["Statement"] else None)
        return get_permission(judged, action, resource)

    return permission


def _is_for_plain_http(rule: dict[str, Any]) -> bool:
    value = rule.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return str(value).lower() == "false"


def put_properties(name: str, properties: dict[str, Any], account_id: str, region_name: str) -> None:
    """Put versioning, the public access block, ownership, lifecycle and notifications of a bucket."""
    backend = s3_backends[account_id][get_partition(region_name)]
    if "VersioningConfiguration" in properties:
        backend.put_bucket_versioning(name, properties["VersioningConfiguration"]["Status"])
    if "PublicAccessBlockConfiguration" in properties:
        backend.put_public_access_block(name, properties["PublicAccessBlockConfiguration"])
    if "OwnershipControls" in properties:
        backend.put_bucket_ownership_controls(name, {"Rule": properties["OwnershipControls"]["Rules"][0]})
    if "LifecycleConfiguration" in properties:
        backend.put_bucket_lifecycle_configuration(name, api_rules(properties["LifecycleConfiguration"]))
    if "NotificationConfiguration" in properties:
        backend.put_bucket_notification_configuration(name, _notifications(properties["NotificationConfiguration"]))


def _notifications(configuration: dict[str, Any]) -> dict[str, Any]:
    """The form that the API's XML has once it is parsed."""
    found: dict[str, Any] = {}
    for key, (api_key, target) in _NOTIFICATIONS.items():
        entries = [_notification(entry, target) for entry in configuration.get(key, [])]
        if entries:
            found[api_key] = entries
    return found


def _notification(entry: dict[str, Any], target: str) -> dict[str, Any]:
    destination = entry.get(target) or entry["Function"]
    notification: dict[str, Any] = {target: destination, "Event": [entry["Event"]]}
    rules = entry.get("Filter", {}).get("S3Key", {}).get("Rules", [])
    if rules:
        notification["Filter"] = {"S3Key": {"FilterRule": [{"Name": r["Name"], "Value": r["Value"]} for r in rules]}}
    return notification
