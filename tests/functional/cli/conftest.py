"""A world for the command line: moto in this process, and a server on the loopback address that stands for Airflow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "domain"))

from cli_world import Desk, FakeServer, open_desk


@pytest.fixture
def server():
    server = FakeServer()
    yield server
    server.close()


@pytest.fixture
def desk(tmp_path, monkeypatch, server) -> Desk:
    with open_desk(tmp_path, monkeypatch, server) as desk:
        yield desk
