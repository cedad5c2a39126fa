"""A look finds what has changed, and nothing else."""

from typing import Any

import pytest
from moto.s3.models import FakeAcl, FakeGrantee

from localcloud.durable.graph import Change, Graph


class Blobs:
    def keep(self, content: bytes | str) -> str:
        raise AssertionError(content)

    def fetch(self, name: str) -> bytes:
        raise AssertionError(name)


class Backend:
    """Stands for one of moto's; named by the fixture."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}


@pytest.fixture
def backends() -> list[Backend]:
    return [Backend(), Backend()]


@pytest.fixture
def graph(backends: list[Backend]) -> Graph:
    def name(value: Any) -> tuple[str, str, str] | None:
        return next(((f"service{place}", "1", "here") for place, each in enumerate(backends) if each is value), None)

    return Graph(Blobs(), [], name)


def look(graph: Graph, backend: Backend) -> list[tuple[str, Any]]:
    """Return verb and number of each change."""
    changes: list[Change] = []
    graph.look(backend, {}, changes)
    return [(statement.split()[0], values[0]) for statement, values in changes]


def test_the_second_look_at_the_same_finds_nothing(graph, backends):
    backends[0].found["acl"] = FakeAcl()
    assert len(look(graph, backends[0])) == 3  # the backend, its row, the object
    assert look(graph, backends[0]) == []


def test_only_what_changed_is_written(graph, backends):
    kept, changed = FakeGrantee("kept"), FakeGrantee("changed")
    backends[0].found = {"kept": FakeAcl([kept]), "changed": FakeAcl([changed])}
    look(graph, backends[0])
    backends[0].found["changed"].grants.append(kept)
    assert [verb for verb, _ in look(graph, backends[0])] == ["INSERT"]


def test_what_is_reached_no_more_is_removed(graph, backends):
    backends[0].found["acl"] = FakeAcl()
    (*_, (_, number)) = look(graph, backends[0])
    del backends[0].found["acl"]
    assert ("DELETE", number) in look(graph, backends[0])


def test_what_another_backend_refers_to_becomes_its_own_when_the_first_lets_go(graph, backends):
    shared = FakeAcl()
    backends[0].found["acl"] = backends[1].found["acl"] = shared
    (*_, (_, number)) = look(graph, backends[0])
    assert len(look(graph, backends[1])) == 2  # itself: the object has a row already
    del backends[0].found["acl"]
    changes = look(graph, backends[0])
    assert ("DELETE", number) in changes
    assert sum(verb == "INSERT" for verb, _ in changes) == 3  # both backends, and the object anew
    assert look(graph, backends[1]) == []


def test_a_cycle_is_walked_once(graph, backends):
    one, other = FakeAcl(), FakeAcl()
    one.grants, other.grants = [other], [one]
    backends[0].found["one"] = one
    assert len(look(graph, backends[0])) == 4
