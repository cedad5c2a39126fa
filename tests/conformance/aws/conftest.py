"""The target: localcloud, or AWS when `RATCHET_CONFORMANCE_AWS=1` says so and credentials are there.

A test that asserts what localcloud is known not to do carries `@pytest.mark.difference("name")`, with the name of an
entry of `localcloud/differences.toml`. It must then fail on localcloud: an entry that is no longer true is found.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest

from localcloud.difference import read_differences
from localcloud.server import LocalCloud
from tests.conformance.aws.target import Aws

_IS_REAL = os.environ.get("RATCHET_CONFORMANCE_AWS") == "1"
_REGION = "us-east-1"  # where a bucket needs no location


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect known differences to be there, on localcloud."""
    known = {difference.name: difference for difference in read_differences()}
    for item in items:
        for mark in item.iter_markers("difference"):
            told = known[mark.args[0]]
            if not _IS_REAL:
                item.add_marker(pytest.mark.xfail(strict=True, reason=f"{told.sentence} {told.reason}"))


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    if _IS_REAL:
        yield from _real()
        return
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": _REGION}
    with LocalCloud(home=tmp_path_factory.mktemp("conformance")) as cloud, ExitStack() as stack:

        def client(service: str, config: Any) -> Any:
            return boto3.client(service, endpoint_url=cloud.url, config=config, **keys)

        yield Aws(client, is_real=False, stack=stack)


def _real() -> Iterator[Aws]:
    session = boto3.session.Session(region_name=_REGION)
    if session.get_credentials() is None:
        pytest.skip("RATCHET_CONFORMANCE_AWS is set, but there are no credentials")
    with ExitStack() as stack:
        yield Aws(lambda service, config: session.client(service, config=config), is_real=True, stack=stack)


@pytest.fixture(scope="module")
def role(aws: Aws) -> str:
    """A role that Lambda, SageMaker and ECS tasks may take, and that may do nothing."""
    iam, name = aws.client("iam"), aws.name()
    services = ["lambda.amazonaws.com", "sagemaker.amazonaws.com", "ecs-tasks.amazonaws.com"]
    statement = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])
    aws.at_end(iam.delete_role, RoleName=name)
    if aws.is_real:
        time.sleep(15)  # AWS shows a new role to its other services after a while, and has no call that tells when
    return arn
