"""A localcloud with the stack on it for each suite here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.runtime import ROOT
from tests.functional.rollout.rollout_stack import Stack, make_cloud


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.mxnet)
            item.add_marker(pytest.mark.skipif(not (ROOT / ".venv-mxnet").is_dir(), reason="there is no .venv-mxnet"))


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("conformance")
    cloud, image = make_cloud(folder)
    with cloud:
        yield Stack(cloud.url, image, folder)


@pytest.fixture(scope="session")
def granted() -> set[str]:
    """Actions that the template's policy gives the orchestrator."""
    text = (ROOT / "infra" / "ratchet.yaml").read_text("utf-8")
    policy = re.search(r"\n  OrchestratorPolicy:\n(.*?)\n  \w", text, re.DOTALL)
    assert policy is not None
    return set(re.findall(r"\b[a-z0-9-]+:[A-Z]\w+", policy.group(1)))
