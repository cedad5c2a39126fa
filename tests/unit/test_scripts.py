"""The repository's own checks find what they promise to find, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.budgets import measure
from scripts.hygiene import offences_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "code.py") -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write


def function(lines: int, head: str = "def long():") -> str:
    return f"{head}\n" + "    x = 1\n" * lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n" * 401, "401 lines, the budget is 400"),
        (function(41), "long has a body of 41 lines"),
        (function(41, "async def long():"), "long has a body of 41 lines"),
        ("class A:\n" + "".join(f"    {line}\n" for line in function(41).splitlines()), "code.py:2: long has a body"),
        ("def wide(a, b, /, c, d, *, e, f, g): ...\n", "wide has 7 parameters, the budget is 6"),
        ("@wraps\ndef wide(a, b, c, d, e, f, g): ...\n", "code.py:2: wide has 7"),
    ],
)
def test_what_is_over_its_budget_is_named_with_its_line(write, text, words):
    (found,) = measure(write(text))
    assert words in found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = 1\n" * 400,
        function(40),
        'def told():\n    """' + "word\n" * 50 + '"""\n',
        "class A:\n    def wide(self, a, b, c, d, e, f): ...\n",
        "def wide(a, b, c, d, e, f, g):  # noqa: PLR0913 - seven facts make one decision\n    ...\n",
    ],
)
def test_what_is_within_its_budget_is_not_named(write, text):
    assert list(measure(write(text))) == []


# Written in pieces: this file, too, is looked at.
BAD = {
    "an index address": ["--index-" + "url http://x", "--extra-index-" + "url=http://x", "--find-" + "links x"],
    "a path of one machine": ["cd /ho" + "me/alice", "p = '/ro" + "ot/.cache'", "/Us" + "ers/Alice/model"],
    "a private key": ["-----BEGIN RSA PRIV" + "ATE KEY-----", "-----BEGIN PRIV" + "ATE KEY-----"],
    "an AWS secret": ["aws_secret_access" + "_key = " + "A" * 40, "AWS_SECRET_ACCESS" + "_KEY: '" + "b/+4" * 10],
}


@pytest.mark.parametrize(("what", "line"), [(what, line) for what, lines in BAD.items() for line in lines])
def test_what_must_not_be_committed_is_named_with_its_line(write, what, line):
    path = write(f"first\nsecond\n{line}\n", "notes.txt")
    assert offences_in(path) == [f"{path}:3: holds {what}"]


@pytest.mark.parametrize(
    "line", ["see docs/home/page.md", "https://example.com/home/alice", "aws_secret_access_key = laptop", "~/x"]
)
def test_what_only_looks_like_it_is_not_named(write, line):
    assert offences_in(write(f"first\nsecond\n{line}\n", "notes.txt")) == []


def test_the_command_that_a_lock_s_first_lines_tell_is_no_offence(write):
    line = "#    uv pip compile --index-" + "url http://x\n"
    assert offences_in(write(f"# made by\n{line}", "requirements.txt")) == []
    assert offences_in(write(f"# made by\n\n{line}", "requirements.txt")) != []


def test_bytes_and_files_that_are_gone_are_passed_over(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"\xff\xfe/ho" + b"me/alice")
    assert offences_in(tmp_path / "model.bin") == []
    assert offences_in(tmp_path / "gone.txt") == []


@pytest.mark.parametrize("script", ["budgets.py", "hygiene.py"])
def test_this_tree_keeps_its_own_rules(script):
    done = subprocess.run([sys.executable, f"scripts/{script}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_offence_ends_the_check_with_one(tmp_path):
    (tmp_path / "ratchet").mkdir()
    (tmp_path / "ratchet" / "long.py").write_text(function(41), "utf-8")
    command = [sys.executable, str(ROOT / "scripts" / "budgets.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ratchet/long.py:1: long has a body of 41 lines" in done.stderr
