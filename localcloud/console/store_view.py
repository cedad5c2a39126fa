"""What is kept: queues, tables with their items, buckets with their objects and versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud.console.gateway import Gateway

_ITEMS_PER_PAGE = 50
_KEYS_PER_PAGE = 200
_COUNTS = {
    "visible": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}


def list_queues(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the queues with what lies in them."""
    sqs = gateway.client("sqs")
    found = []
    for url in sqs.list_queues().get("QueueUrls", []):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        counts = {name: int(attributes.get(attribute, 0)) for name, attribute in _COUNTS.items()}
        redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
        dead = str(redrive.get("deadLetterTargetArn", "")).rpartition(":")[2]
        found.append({"name": url.rpartition("/")[2], **counts, "dead_letters": dead, "attributes": attributes})
    return {"queues": found}


def list_tables(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the tables."""
    dynamodb = gateway.client("dynamodb")
    tables = [dynamodb.describe_table(TableName=name)["Table"] for name in dynamodb.list_tables()["TableNames"]]
    return {"tables": [_brief_table(table) for table in tables]}


def show_table(gateway: Gateway, path: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of a table's items, in DynamoDB's JSON."""
    (name,) = path
    dynamodb = gateway.client("dynamodb")
    asked: dict[str, Any] = {"TableName": name, "Limit": _ITEMS_PER_PAGE}
    if start := query.get("start"):
        asked["ExclusiveStartKey"] = json.loads(start)
    answer = dynamodb.scan(**asked)
    following = answer.get("LastEvaluatedKey")
    return {
        **_brief_table(dynamodb.describe_table(TableName=name)["Table"]),
        "items": [{key: _plain(value) for key, value in item.items()} for item in answer["Items"]],
        "next": None if following is None else json.dumps(following),
    }


def _brief_table(table: Mapping[str, Any]) -> dict[str, Any]:
    keys = [key["AttributeName"] for key in table["KeySchema"]]
    return {"name": table["TableName"], "status": table["TableStatus"], "count": table["ItemCount"], "keys": keys}


def _plain(value: Mapping[str, Any]) -> Any:
    """Return a value without DynamoDB's type marks; numbers stay texts, so that none loses a digit."""
    ((mark, content),) = value.items()
    if mark == "M":
        return {key: _plain(each) for key, each in content.items()}
    if mark == "L":
        return [_plain(each) for each in content]
    if mark == "B":
        return f"{len(content)} bytes"
    if mark == "NULL":
        return None
    return content


def list_buckets(gateway: Gateway, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the buckets."""
    s3 = gateway.client("s3")
    found = [{"name": bucket["Name"], "created": bucket["CreationDate"]} for bucket in s3.list_buckets()["Buckets"]]
    for bucket in found:
        bucket["versioning"] = s3.get_bucket_versioning(Bucket=bucket["name"]).get("Status", "Off")
    return {"buckets": found}


def show_bucket(gateway: Gateway, path: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """Return the folders and objects under a prefix; with `versions=1` every version of each object."""
    (name,) = path
    asked = {"Bucket": name, "Prefix": query.get("prefix", ""), "Delimiter": "/", "MaxKeys": _KEYS_PER_PAGE}
    with_versions = query.get("versions") == "1"
    if with_versions:
        answer = gateway.client("s3").list_object_versions(**asked)
        entries = [_version(each, removed=True) for each in answer.get("DeleteMarkers", [])]
        entries += [_version(each, removed=False) for each in answer.get("Versions", [])]
        entries.sort(key=lambda entry: (entry["key"], str(entry["modified"])))
    else:
        if token := query.get("start"):
            asked["ContinuationToken"] = token
        answer = gateway.client("s3").list_objects_v2(**asked)
        entries = [_object(each) for each in answer.get("Contents", [])]
    return {
        "name": name,
        "prefix": asked["Prefix"],
        "versions": with_versions,
        "folders": [each["Prefix"] for each in answer.get("CommonPrefixes", [])],
        "objects": entries,
        "next": answer.get("NextContinuationToken"),
    }


def _object(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"key": entry["Key"], "size": entry["Size"], "modified": entry["LastModified"], "latest": True}


def _version(entry: Mapping[str, Any], *, removed: bool) -> dict[str, Any]:
    return {
        "key": entry["Key"],
        "size": entry.get("Size"),
        "modified": entry["LastModified"],
        "latest": entry["IsLatest"],
        "version": entry["VersionId"],
        "removed": removed,
    }
