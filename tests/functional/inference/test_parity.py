"""Training and serving see the same pixels, and both engines answer alike."""

import json
import subprocess
from pathlib import Path

import pytest
from serving_process import HERE, ROOT, child_environment, find_interpreter

pytestmark = pytest.mark.mxnet


@pytest.mark.parametrize("fixture", ["grey_archive", "rgb_archive"])
def test_serving_feeds_what_training_fed(fixture: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    archive: Path = request.getfixturevalue(fixture)
    done = subprocess.run(
        [str(find_interpreter()), str(HERE / "parity.py"), str(archive), str(tmp_path / "model")],
        cwd=ROOT,
        env=child_environment({}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    worst = json.loads(done.stdout)
    assert worst["images"] >= 50
    assert worst["pixels"] == 0
    assert worst["engines"] < 1e-5
    assert worst["probabilities"] < 1e-5
