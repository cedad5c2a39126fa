"""localcloud's page keeps its word: its programs print what it says, and its tables know every option and image."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.laptop.process import poll_until

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "localcloud.md").read_text("utf-8")
PROGRAMS = re.findall(r"### (.+?)\n(?:(?!\n###).)*?```python\n(.+?)```\n\n```text\n(.+?)```", PAGE, re.DOTALL)
LISTENER_PORT = "8099"
LIMIT_SECONDS = 120.0


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A started localcloud, and the variables that the page's command exports."""
    home = tmp_path_factory.mktemp("localcloud")
    ready = home / "ready.json"
    command = [sys.executable, "-m", "localcloud", "--port", "0", "--home", str(home), "--ready-file", str(ready)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        for _ in poll_until(LIMIT_SECONDS):
            if ready.is_file() or process.poll() is not None:
                break
        assert 'eval "$(.venv/bin/python -m localcloud env)"' in PAGE
        told = [sys.executable, "-m", "localcloud", "env", "--home", str(home)]
        exports = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        yield {"PATH": os.environ["PATH"], **dict(re.findall(r"^export (\w+)=(\S+)$", exports, re.MULTILINE))}
    finally:
        process.terminate()
        process.wait(LIMIT_SECONDS)


@pytest.mark.mxnet
@pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet")
def test_every_program_of_the_page_prints_what_the_page_says(environment: dict[str, str]) -> None:
    assert len(PROGRAMS) == PAGE.count("```python")
    port = free_port()
    said = {title: text for title, _, text in PROGRAMS}
    printed = {title: run(program.replace(LISTENER_PORT, port), environment) for title, program, _ in PROGRAMS}
    assert printed == said


def run(program: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    return done.stdout if done.returncode == 0 else done.stderr


def test_the_page_knows_every_option() -> None:
    command = [sys.executable, "-m", "localcloud", "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"--[a-z-]+", shown)) - {"--help"}
    assert options == set(re.findall(r"^\| `(--[a-z-]+)` \|", PAGE, re.MULTILINE))


def test_the_page_knows_every_variable() -> None:
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs" / "localcloud").glob("*.md"))
    assert set(re.findall(r"`(LOCALCLOUD_\w+)`", pages)) <= set(re.findall(r"`(LOCALCLOUD_\w+)`", PAGE))


def test_the_page_knows_every_image() -> None:
    entries = tomllib.loads((ROOT / "localcloud" / "runtimes.toml").read_text("utf-8"))["runtime"]
    table = PAGE.partition("| image | runs in |")[2].partition("\n\n")[0]
    assert [entry["image"] for entry in entries if "image" in entry] == re.findall(
        r"^\| `([^`]+)` \|", table, re.MULTILINE
    )


def test_the_pages_it_links_to_exist() -> None:
    links = re.findall(r"\]\((localcloud/[^)]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link.partition("#")[0]).is_file()] == []
