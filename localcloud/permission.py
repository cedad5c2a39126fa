"""Which permissions a call needs: IAM's action, which is not always the operation's name, and the resource it is on.

A resource that cannot be told from the request is None: the call is then held against the actions of a policy alone.
What AWS documents per service: https://docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from localcloud.request import Call, form_of

_PREFIXES = {"monitoring": "cloudwatch"}
_LAMBDA = {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}
_SQS = {"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage"}
_S3 = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "ListParts": "ListMultipartUploadParts",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "DeleteObjects": "DeleteObject",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
}
_OF_VERSIONS = frozenset({"GetObject", "DeleteObject"})
_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_PASSED = ("RoleArn", "roleArn", "taskRoleArn", "executionRoleArn", "Role")
# Operations of ECS that know no resource.
_ECS_ANY = re.compile("List|RegisterTaskDefinition|DescribeTaskDefinition|DeregisterTaskDefinition|CreateCluster")


@dataclass(frozen=True)
class Permission:
    """What a caller must be allowed.

    Attributes
    ----------
    action
        For example `s3:GetObject`.
    resource
        ARN, or None when it cannot be told.
    """

    action: str
    resource: str | None


def permissions_of(call: Call, operation: str, *, query: str, account: str) -> list[Permission]:
    """Return every permission that a call needs.

    Parameters
    ----------
    call, operation
        What is asked.
    query
        The raw query string.
    account
        The caller's.
    """
    place = f"{call.region}:{account}"
    if call.service == "s3":
        return list(_of_s3(call, operation, query))
    members = _members(call)
    if call.service == "dynamodb" and operation in {"TransactWriteItems", "TransactGetItems"}:
        return sorted(set(_of_transaction(members, place)), key=lambda found: found.action)
    return [*_of_others(call, operation, members, place), *_passed_roles(call, operation, members)]


def _of_s3(call: Call, operation: str, query: str) -> Iterator[Permission]:
    bucket, _, key = call.path.lstrip("/").partition("/")
    action = _S3.get(operation, operation)
    if action in _OF_VERSIONS and "versionId" in dict(parse_qsl(query, keep_blank_values=True)):
        action += "Version"
    if operation == "DeleteObjects":
        keys = re.findall(rb"<Key>(.*?)</Key>", call.body)
        yield from (Permission("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{found.decode()}") for found in keys)
        return
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    yield Permission(f"s3:{action}", resource if bucket else "*")
    if source := call.headers.get("x-amz-copy-source", "").lstrip("/").partition("?")[0]:
        yield Permission("s3:GetObject", f"arn:aws:s3:::{source}")


def _of_transaction(members: Mapping[str, Any], place: str) -> Iterator[Permission]:
    for item in members.get("TransactItems", []):
        for kind, content in item.items():
            action = _TRANSACTION.get(kind, "GetItem")
            yield Permission(f"dynamodb:{action}", f"arn:aws:dynamodb:{place}:table/{content.get('TableName', '')}")


def _of_others(call: Call, operation: str, members: Mapping[str, Any], place: str) -> Iterator[Permission]:
    prefix = _PREFIXES.get(call.service, call.service)
    action = {"lambda": _LAMBDA, "sqs": _SQS}.get(call.service, {}).get(operation, operation)
    naming = _RESOURCES.get(call.service)
    resource = naming(call, operation, members, place) if naming else None
    if naming and resource is None and operation.startswith("List"):
        resource = "*"  # a list of everything is on no resource
    yield Permission(f"{prefix}:{action}", resource)
    if call.service == "sagemaker" and operation.startswith("Create") and members.get("Tags"):
        yield Permission("sagemaker:AddTags", resource)


def _passed_roles(call: Call, operation: str, members: Mapping[str, Any]) -> Iterator[Permission]:
    if call.service == "sts" or not operation.startswith(("Create", "Register", "Update", "Run")):
        return
    for name in _PASSED:
        if str(members.get(name) or "").startswith("arn:aws:iam::"):
            yield Permission("iam:PassRole", str(members[name]))


def _members(call: Call) -> Mapping[str, Any]:
    """The members of a call as far as they are JSON or a form; empty when they cannot be read."""
    if form := form_of(call):
        return form
    try:
        found = json.loads(call.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _name_table(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    name = members.get("TableName")
    return f"arn:aws:dynamodb:{place}:table/{name}" if name else None


def _name_queue(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    name = str(members.get("QueueUrl") or "").rpartition("/")[2] or members.get("QueueName")
    return f"arn:aws:sqs:{place}:{name}" if name else None


def _name_topic(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    return members.get("TopicArn") or members.get("TargetArn")


def _name_function(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    found = re.search(r"/functions/([^/]+)", call.path)
    if found is None:
        return None
    name = found[1].rpartition(":function:")[2]
    alias = re.search(r"/aliases/([^/]+)", call.path)
    return f"arn:aws:lambda:{place}:function:{name}" + (f":{alias[1]}" if alias and ":" not in name else "")


def _name_job(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    for member, value in members.items():
        if member.endswith("Name") and member.removesuffix("Name") in operation:
            kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", member.removesuffix("Name")).lower()
            return f"arn:aws:sagemaker:{place}:{kind}/{value}"
    return None


def _name_service(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    if _ECS_ANY.match(operation):
        return None
    cluster = str(members.get("cluster", "default")).rpartition("/")[2]
    service = members.get("service") or next(iter(members.get("services") or []), None)
    if service:
        return str(service) if str(service).startswith("arn:") else f"arn:aws:ecs:{place}:service/{cluster}/{service}"
    return None


def _name_group(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    name = members.get("logGroupName")
    if not name:
        return None
    stream = members.get("logStreamName")
    return f"arn:aws:logs:{place}:log-group:{name}:" + (f"log-stream:{stream}" if stream else "*")


def _name_stack(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    name = str(members.get("StackName") or "")
    return name if name.startswith("arn:") else f"arn:aws:cloudformation:{place}:stack/{name}/*" if name else None


def _name_role(call: Call, operation: str, members: Mapping[str, Any], place: str) -> str | None:
    return members.get("RoleArn")


_RESOURCES = {
    "cloudformation": _name_stack,
    "dynamodb": _name_table,
    "ecs": _name_service,
    "lambda": _name_function,
    "logs": _name_group,
    "sagemaker": _name_job,
    "sns": _name_topic,
    "sqs": _name_queue,
    "sts": _name_role,
}
