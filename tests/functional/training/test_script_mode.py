"""AWS's own toolkit starts the programs from the bundle, and finds the reason when one fails."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest
from training_job import PYTHON, ROOT, SHAPE, Job, digest, draw_stripes

from ratchet.compute.bundle import build_bundle

_LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "code.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(build_bundle(ROOT).content)))
    return path


def run_toolkit(job: Job, bundle: Path, **parameters: object) -> int:
    """Run `train` as process 1 of the container would, with the files that SageMaker leaves for it."""
    config = job.folder / "input/config"
    config.mkdir(parents=True)
    texts = {name.replace("_", "-"): json.dumps(str(value)) for name, value in parameters.items()}
    texts["sagemaker_program"] = json.dumps(f"training/{job.program}.py")
    texts["sagemaker_submit_directory"] = json.dumps(str(bundle))
    (config / "hyperparameters.json").write_text(json.dumps(texts))
    (config / "inputdataconfig.json").write_text(json.dumps({name: {} for name in job.channels}))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "localhost", "hosts": ["localhost"]}))
    for name, folder in job.channels.items():
        target = job.folder / "input/data" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(folder)
    for name in ("model", "output/data"):
        (job.folder / name).mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(job.folder), "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        [PYTHON.with_name("train")],
        cwd=job.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    job.log = done.stdout
    return done.returncode


def test_the_toolkit_runs_all_three_programs(tmp_path, bundle):
    stripes = draw_stripes(tmp_path / "data", classes=2, each=20)
    prepare = Job(tmp_path / "prepare", "prepare", stripes.channels)
    assert run_toolkit(prepare, bundle, **SHAPE, labels="a,b") == 0, prepare.log
    train = Job(tmp_path / "train", "train", {"prepared": prepare.pack()})
    assert run_toolkit(train, bundle, network="mlp", epochs=1, learning_rate=0.01) == 0, train.log
    challenger = train.pack()
    evaluate = Job(tmp_path / "evaluate", "evaluate", {"prepared": prepare.folder / "packed", "challenger": challenger})
    assert run_toolkit(evaluate, bundle, challenger_sha256=digest(challenger)) == 0, evaluate.log
    assert (evaluate.model / "report.json").exists()
    assert "[ratchet:metric] challenger_accuracy=" in evaluate.log


def test_the_reason_of_a_failure_is_one_sentence_for_a_person(tmp_path, bundle):
    stripes = draw_stripes(tmp_path / "data", classes=2, each=5)
    job = Job(tmp_path / "job", "prepare", stripes.channels)
    assert run_toolkit(job, bundle, min_images_per_class=100) == 1
    assert job.reason == "each class needs at least 100 readable images: a has 5, b has 5. Add images"
