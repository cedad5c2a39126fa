"""A folder and what runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from durable_cloud import Process


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Process]:
    """Return a localcloud that has not been started yet; whatever it has come to, it ends."""
    process = Process(tmp_path / "home")
    yield process
    process.stop()
