"""Source bundles: their bytes depend on the sources alone."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

from ratchet.compute.bundle import build_bundle
from ratchet.errors import SpecError


@pytest.fixture
def folder(tmp_path):
    for path in ("training/train.py", "training/zoo/lenet.py", "ratchet/__init__.py", "ratchet/contract.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# {path}\n")
    (tmp_path / "training" / "requirements.txt").write_text("evil\n")
    (tmp_path / "ratchet" / "naming.py").write_text("# stays\n")
    return tmp_path


def names(bundle):
    with tarfile.open(fileobj=io.BytesIO(bundle.content), mode="r:gz") as tar:
        return tar.getnames()


def test_holds_training_and_the_contract_and_no_requirements(folder):
    assert names(build_bundle(folder)) == [
        "ratchet/__init__.py",
        "ratchet/contract.py",
        "training/train.py",
        "training/zoo/lenet.py",
    ]


def test_the_same_sources_give_the_same_bytes_whenever_and_whoever(folder):
    first = build_bundle(folder)
    script = folder / "training" / "train.py"
    os.utime(script, (1, 1))
    script.chmod(0o700)
    assert build_bundle(folder) == first


def test_a_changed_character_is_another_bundle(folder):
    first = build_bundle(folder)
    (folder / "training" / "train.py").write_text("# training/train.py!\n")
    assert build_bundle(folder).digest != first.digest


def test_a_folder_without_sources_is_refused_by_name(tmp_path):
    with pytest.raises(SpecError, match=r"training\.source_folder"):
        build_bundle(tmp_path)


def test_a_folder_outside_of_git_has_no_known_commit(folder):
    assert build_bundle(folder).git_commit == "unknown"
