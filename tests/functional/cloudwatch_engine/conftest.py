"""One localcloud with every engine for the tests of CloudWatch; each uses names of its own."""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from localcloud.server import LocalCloud


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    with LocalCloud(home=tmp_path_factory.mktemp("home")) as cloud:
        yield lambda name: boto3.client(name, endpoint_url=cloud.url, region_name="us-east-1", **keys)
