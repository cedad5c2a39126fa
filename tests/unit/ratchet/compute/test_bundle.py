"""Source bundles: their bytes depend on the sources alone."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from ratchet.compute.bundle import build_bundle, build_bundle_at
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


def test_a_script_of_ones_own_gets_ratchets_part_beside_it(tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("train.py", "mine/net.py", "requirements.txt", ".hidden.py"):
        (tmp_path / name).write_text("pass\n")
    found = set(names(build_bundle(tmp_path)))
    assert {"train.py", "mine/net.py", "training/prepare.py", "training/evaluate.py", "ratchet/contract.py"} <= found
    assert not {"requirements.txt", ".hidden.py", "training/requirements.txt", "ratchet/naming.py"} & found
    assert build_bundle(tmp_path) == build_bundle(tmp_path)


def test_scripts_of_another_checkout_have_no_commit_that_says_it_all(tmp_path):
    (tmp_path / "train.py").write_text("pass\n")
    assert commit(tmp_path, "first") == "unknown"
    assert build_bundle_at(tmp_path, "f" * 40) is None


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


def commit(folder, message):
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", message]):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, timeout=20)
    return build_bundle(folder).git_commit


def test_the_code_of_a_commit_is_found_again_after_the_folder_has_changed(folder):
    first = commit(folder, "first")
    before = build_bundle(folder)
    (folder / "training" / "train.py").write_text("changed", "utf-8")
    commit(folder, "second")
    again = build_bundle_at(folder, first)
    assert (again.digest, again.git_commit) == (before.digest, first)
    assert build_bundle(folder).digest != before.digest


def test_a_commit_that_nobody_has_is_none(folder):
    commit(folder, "first")
    assert build_bundle_at(folder, "f" * 40) is None
    assert build_bundle_at(folder, "--output=elsewhere") is None
