"""Where the assertions run, and what they leave to be removed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

_WAIT = {"Delay": 1, "MaxAttempts": 120}


class Aws:
    """AWS or what stands for it.

    Parameters
    ----------
    client
        Makes a client of a service; takes its name and botocore's configuration.
    is_real
        Whether it is AWS itself.
    stack
        Removes at the end what was made.
    """

    def __init__(self, client: Callable[[str, Config], Any], *, is_real: bool, stack: ExitStack) -> None:
        self._client = client
        self.is_real = is_real
        self._stack = stack

    def client(self, service: str, **options: Any) -> Any:
        """Return a client that sends each call once."""
        return self._client(service, Config(retries={"max_attempts": 0}, max_pool_connections=16, **options))

    def name(self) -> str:
        """Return a name that nobody else has."""
        return f"conformance-{uuid.uuid4().hex[:12]}"

    def at_end(self, remove: Callable[..., Any], **members: Any) -> None:
        """Call this when the assertions are done; what is gone already is no failure."""

        def run() -> None:
            with suppress(ClientError):
                remove(**members)

        self._stack.callback(run)

    def bucket(self, *, versioned: bool = False) -> str:
        """Make a bucket and return its name."""
        s3, name = self.client("s3"), self.name()
        s3.create_bucket(Bucket=name)
        self.at_end(s3.delete_bucket, Bucket=name)
        self._stack.callback(_empty, s3, name)
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def table(self) -> str:
        """Make a table with the key `pk` and return its name."""
        dynamodb, name = self.client("dynamodb"), self.name()
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.at_end(dynamodb.delete_table, TableName=name)
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig=_WAIT)
        return name


def _empty(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])


def refusal(call: Callable[..., Any], **members: Any) -> str:
    """Return the code with which a call is refused; one that succeeds is no refusal."""
    try:
        call(**members)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    raise AssertionError(f"{members} was accepted")
