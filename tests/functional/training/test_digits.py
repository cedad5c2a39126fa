"""Real handwriting: the demo's pipeline file, from 300 and from 1,797 images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_digits
from training_job import ROOT, Dataset, Job, digest, encode


@pytest.fixture(scope="module")
def spec():
    return yaml.safe_load((ROOT / "pipelines/digits.yaml").read_text())


def write_digits(folder: Path, count: int) -> Dataset:
    dataset, digits = Dataset(folder), load_digits()
    for number in range(count):
        pixels = (digits.images[number] * 255 / 16).round().astype(np.uint8)
        dataset.add(f"{digits.target[number]}/digit-{number:04d}.png", encode(pixels))
    return dataset.freeze()


def make_model(folder: Path, count: int, spec) -> tuple[Path, Path]:
    """Prepare and train as the pipeline's file says; the channels with the prepared data and the model."""
    dataset = write_digits(folder / "data", count)
    prepared = Job(folder / "prepare", "prepare", dataset.channels).must(**spec["data"]["image"]).pack()
    options = {**spec["training"]["hyperparameters"], "network": spec["training"]["network"]}
    return prepared, Job(folder / "train", "train", {"prepared": prepared}).must(**options).pack()


def test_more_digits_make_a_better_model(tmp_path, spec):
    _, champion = make_model(tmp_path / "first", 300, spec)
    prepared, challenger = make_model(tmp_path / "second", 1797, spec)
    channels = {"prepared": prepared, "challenger": challenger, "champion": champion}
    evaluation = Job(tmp_path / "evaluate", "evaluate", channels)
    evaluation.must(challenger_sha256=digest(challenger), champion_sha256=digest(champion))
    report = json.loads((evaluation.model / "report.json").read_text())
    assert report["challenger"]["accuracy"] > 0.97
    assert report["champion"]["accuracy"] < report["challenger"]["accuracy"] - 0.03
