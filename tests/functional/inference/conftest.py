"""A small real model, and serving processes that end with their tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving_process import HERE, Server, build_archive, environment_of, find_interpreter


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("mxnet") and HERE in item.path.parents:
            item.add_marker(pytest.mark.skipif(not find_interpreter().exists(), reason="there is no .venv-mxnet"))


@pytest.fixture(scope="session")
def grey_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_archive(tmp_path_factory.mktemp("model") / "grey", 1)


@pytest.fixture(scope="session")
def rgb_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_archive(tmp_path_factory.mktemp("model") / "rgb", 3)


@pytest.fixture
def start_server() -> Iterator[Callable[[dict[str, str]], Server]]:
    servers: list[Server] = []

    def start(variables: dict[str, str]) -> Server:
        servers.append(Server(variables))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def server(grey_archive: Path) -> Iterator[Server]:
    running = Server(environment_of(grey_archive))
    try:
        yield running.wait_ready()
    finally:
        running.stop()
