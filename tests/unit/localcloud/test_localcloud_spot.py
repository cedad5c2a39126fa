"""Spot notices: each reaches the one it names, and what reaches nobody is refused with a sentence."""

import io
import json

import pytest

from localcloud.spot import SpotDesk, SpotRefused


def post(desk, body, method="POST"):
    statuses = []
    environ = {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO(body)}
    said = b"".join(desk(environ, lambda status, _headers: statuses.append(status)))
    return statuses[0][:3], json.loads(said)["message"]


@pytest.fixture
def told():
    return []


@pytest.fixture
def desk(told):
    desk = SpotDesk()
    desk.register("Job", told.append)
    desk.register("Machine", told.append)
    return desk


def test_a_notice_reaches_the_one_it_names(desk, told):
    assert post(desk, b'{"Job": "a", "WaitSeconds": 3}')[0] == "202"
    assert told == [{"Job": "a", "WaitSeconds": 3}]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"Job": "a", "Machine": "b"}', b"[" * 60_000, b"\xff"])
def test_anything_else_is_refused(desk, told, body):
    assert post(desk, body)[0] == "400"
    assert told == []


def test_a_notice_is_posted(desk):
    assert post(desk, b"{}", "GET")[0] == "405"


def test_who_has_gone_is_told_nothing(desk, told):
    desk.forget("Job")
    with pytest.raises(SpotRefused, match="exactly one of: Machine"):
        desk.send({"Job": "a"})
    assert told == []
