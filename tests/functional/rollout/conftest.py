"""A localcloud with the stack on it for the tests of a file; each test makes model versions of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rollout_stack import Stack, make_cloud

from localcloud.runtime import ROOT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.mxnet)
            item.add_marker(pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"))


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("rollout")
    cloud, image = make_cloud(folder)
    with cloud:
        yield Stack(cloud.url, image, folder)
