"""Prepared data and a trained model that several tests look at, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_job import PYTHON, SHAPE, Dataset, Job, draw_stripes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.mxnet)
            item.add_marker(pytest.mark.skipif(not PYTHON.exists(), reason="there is no interpreter with MXNet"))


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_stripes(tmp_path_factory.mktemp("stripes"))


@pytest.fixture(scope="session")
def preparation(tmp_path_factory: pytest.TempPathFactory, stripes: Dataset) -> Job:
    return Job(tmp_path_factory.mktemp("prepare"), "prepare", stripes.channels).must(**SHAPE)


@pytest.fixture(scope="session")
def prepared(preparation: Job) -> Path:
    return preparation.pack()


@pytest.fixture(scope="session")
def training(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Job:
    options = {"network": "mlp", "epochs": 3, "batch_size": 16, "learning_rate": 0.01, "threads": 1, "seed": 5}
    return Job(tmp_path_factory.mktemp("train"), "train", {"prepared": prepared}).must(**options)


@pytest.fixture(scope="session")
def challenger(training: Job) -> Path:
    return training.pack()
