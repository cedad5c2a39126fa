"""One localcloud for each test: services of one test are not to be seen in another."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ecs_cloud import Cloud, TinyEcsEngine

from localcloud.engines.elbv2 import Elbv2Engine
from localcloud.server import LocalCloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with LocalCloud(home=tmp_path, engines=[TinyEcsEngine(), Elbv2Engine()]) as running:
        yield Cloud(running.url)
