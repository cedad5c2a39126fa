"""A fresh world for every test."""

from __future__ import annotations

import pytest
from domain_world import fresh_world


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


@pytest.fixture
def world(tmp_path):
    with fresh_world(tmp_path) as world:
        yield world
