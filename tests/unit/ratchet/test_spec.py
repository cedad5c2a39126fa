"""A pipeline file's mistakes are answered with file, line, key, what is wrong and what is allowed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ratchet.errors import SpecError
from ratchet.spec import find_pipeline, load_pipeline, load_pipelines

ROOT = Path(__file__).resolve().parents[3]
GOOD = (ROOT / "pipelines" / "digits.yaml").read_text("utf-8")


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "digits.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def refuse(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_pipeline(path)
    return str(caught.value)


def test_reads_the_pipeline_that_ships():
    pipeline = load_pipeline(ROOT / "pipelines" / "digits.yaml")
    assert pipeline.model_name == "digits"
    assert pipeline.release.targets == ("ecs", "lambda")


def test_a_fallback_may_be_the_name_of_a_type_alone(write):
    pipeline = load_pipeline(write(GOOD.replace("network: lenet", "fallback: [ml.g5.xlarge, {spot: true}]")))
    assert [(other.instance_type, other.spot) for other in pipeline.training.fallback] == [
        ("ml.g5.xlarge", None),
        (None, True),
    ]


@pytest.mark.parametrize("keys", ["spot: true", "entry_point: my.py\n  checkpoints: true\n  spot: true"])
def test_takes_spot_where_a_checkpoint_is_gone_on_from(write, keys):
    assert load_pipeline(write(GOOD.replace("network: lenet", keys))).training.spot


@pytest.mark.parametrize(
    ("wrong", "right", "parts"),
    [
        (
            "quiet_seconds",
            "quite_seconds",
            ["data.quite_seconds", "did you mean 'quiet_seconds'", "min_images_per_class"],
        ),
        ("channels: 1", "channels: 2", ["data.image.channels", "1 or 3", "found 2"]),
        ("compute: sagemaker", "compute: abacus", ["training.compute", "'sagemaker'", "found 'abacus'"]),
        ("approvers: [alice]", "approvers: []", ["approval.approvers", "at least 1"]),
        ('schedule: "0 3 * * *"', "schedule: sometimes", ["schedule", "no cron expression", "@daily"]),
        ("accuracy: {min: 0.80}", "accuracy: {}", ["gates.thresholds.accuracy", "`min` or `max`"]),
        ("optimizer: adam", "optimizer: [adam]", ["training.hyperparameters", "'optimizer' must be text"]),
        ("targets: [ecs, lambda]", "targets: [moon]", ["release.targets.0", "'ecs' or 'lambda'"]),
        ("name: digits\n", "", ["name", "is missing"]),
        (
            "network: lenet",
            "checkpoints: false\n  spot: true",
            ["training.spot", "spot needs checkpoints", "leave `spot`"],
        ),
        ("network: lenet", "entry_point: my.py\n  spot: true", ["training.spot", "`checkpoints: true`", "found True"]),
        ("network: lenet", "fallback: [{}]", ["training.fallback.0", "`instance_type` or `spot`"]),
        ("network: lenet", "fallback: [ml p3]", ["training.fallback.0.instance_type", "pattern"]),
        (
            "network: lenet",
            "checkpoints: false\n  fallback: [{spot: true}]",
            ["training.fallback", "spot needs checkpoints"],
        ),
        ("network: lenet", "source_folder: my\n  spot: true", ["training.spot", "spot needs checkpoints"]),
    ],
)
def test_answers_a_mistake_with_file_key_and_what_is_allowed(write, wrong, right, parts):
    assert wrong in GOOD
    path = write(GOOD.replace(wrong, right))
    message = refuse(path)
    assert message.startswith(f"{path}:")
    assert [part for part in parts if part not in message] == []


def test_names_the_line_of_the_mistake(write):
    path = write(GOOD.replace("channels: 1", "channels: 2"))
    line = GOOD.splitlines().index(next(text for text in GOOD.splitlines() if "channels: 1" in text)) + 1
    assert refuse(path).startswith(f"{path}:{line}: ")


def test_names_every_mistake_at_once(write):
    path = write(GOOD.replace("channels: 1", "channels: 2").replace("optimizer: adam", "optimizer: {a: b}"))
    assert len(refuse(path).splitlines()) == 2


@pytest.mark.parametrize("text", ["a: [", "just text", "- a list", "\x00", "[" * 100_000, "a: " + "{b: " * 5_000])
def test_refuses_what_is_no_mapping(write, text):
    assert "digits.yaml" in refuse(write(text))


def test_runs_no_code_of_a_yaml_tag(write, tmp_path):
    marker = tmp_path / "touched"
    refuse(write(f"name: !!python/object/apply:os.system ['touch {marker}']"))
    assert not marker.exists()


def test_refuses_two_files_with_one_name(write, tmp_path):
    write(GOOD, "a.yaml")
    write(GOOD, "b.yaml")
    with pytest.raises(SpecError, match="also the name in"):
        load_pipelines(tmp_path)


def test_lists_the_pipelines_there_are_when_one_is_not_found(write, tmp_path):
    write(GOOD)
    with pytest.raises(SpecError, match="there is: digits"):
        find_pipeline(tmp_path, "cats")


def test_the_schema_for_editors_is_what_the_code_says():
    command = [sys.executable, "scripts/write_schema.py", "--check"]
    environment = {"PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0
