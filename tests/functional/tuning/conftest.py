"""A localcloud for the tests of studies: one for all of them, with a pipeline of its own for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tuning_world import TuningWorld, WithTinyImage, build_world, write_source

from localcloud.engines.sagemaker import SageMakerEngine
from localcloud.engines.sagemaker_site import RunSettings
from localcloud.runtime import ROOT
from localcloud.server import LocalCloud
from tests.functional.rollout.rollout_stack import Door


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.mxnet)
            item.add_marker(pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("tuning")
    write_source(folder / "source")
    engine = SageMakerEngine(RunSettings(stop_grace_seconds=1.5, checkpoint_look_seconds=0.05))
    image = WithTinyImage(engine, folder, ROOT / ".venv-mxnet" / "bin" / "python")
    with LocalCloud(home=folder / "home", engines=[image]) as server:
        build_world(Door(server.url))
        yield server.url, folder


@pytest.fixture
def make(place: tuple[str, Path]) -> Callable[..., TuningWorld]:
    """Make a pipeline of a name."""
    return lambda name, **tuning: TuningWorld(*place, name, **tuning)
