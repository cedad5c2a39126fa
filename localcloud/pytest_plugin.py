"""Fixtures for tests of code that talks to AWS: a localcloud, and faults on it.

Load it with `pytest_plugins = ["localcloud.pytest_plugin"]` in your `conftest.py`. boto3 clients that a test makes
without further arguments talk to the instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localcloud.fault import Fault
from localcloud.server import LocalCloud


class Faults:
    """Puts faults in force and looks at them.

    Parameters
    ----------
    cloud
        Where they strike.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._book = cloud.faults

    def add(self, effect: str, **more: Any) -> str:
        """Put a fault in force; see `localcloud.fault.Fault` for what it may say. Return its id.

        Raises
        ------
        pydantic.ValidationError
            When it says something else.
        """
        return self._book.add(Fault.model_validate({"effect": effect, **more}))

    def drop_every_mutating_response_once(self) -> str:
        """Carry out every call that changes something, and lose its first answer; return the fault's id."""
        return self.add("drop", mutating=True, count=1, each=True)

    def hits(self, name: str | None = None) -> dict[str, int]:
        """How often one fault, or all, has struck each `service:operation`."""
        found: dict[str, int] = {}
        for entry in self._book.describe():
            if name in {None, entry["id"]}:
                for key, count in entry["hit"].items():
                    found[key] = found.get(key, 0) + count
        return found

    def clear(self) -> None:
        """Take all back."""
        self._book.clear()


@pytest.fixture(scope="session")
def localcloud_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """One localcloud for the whole run."""
    with LocalCloud(home=tmp_path_factory.mktemp("localcloud")) as cloud:
        yield cloud


@pytest.fixture
def localcloud(localcloud_instance: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> LocalCloud:
    """The run's localcloud, to which this test's AWS clients talk."""
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in localcloud_instance.environment.items():
        monkeypatch.setenv(name, value)
    return localcloud_instance


@pytest.fixture
def localcloud_faults(localcloud: LocalCloud) -> Iterator[Faults]:
    """Faults that end with the test."""
    faults = Faults(localcloud)
    try:
        yield faults
    finally:
        faults.clear()
