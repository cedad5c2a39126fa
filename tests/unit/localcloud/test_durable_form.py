"""Values come back as they were, and nothing that a journal says makes anything run."""

import json
import math
import threading
import uuid
from collections import OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.s3.models import FakeAcl, FakeGrant, FakeGrantee, get_canned_acl

from localcloud.durable.form import LONG_BYTES, Reader, Writer
from localcloud.durable.naming import NameRefused, Unwritable
from localcloud.health import Health


class Shelf:
    """Long bytes in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def keep(self, content: bytes | str) -> str:
        name = str(len(self.kept))
        self.kept[name] = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        return name

    def fetch(self, name: str) -> bytes:
        return self.kept[name]


def round_trip(value: Any) -> Any:
    shelf = Shelf()
    writer = Writer(shelf, lambda found: writer.write_inline(found))
    return Reader(shelf, refuse_reference).read(json.loads(json.dumps(writer.write(value))))


def refuse_reference(form: list[Any]) -> Any:
    raise AssertionError(form)


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=40)
    | st.datetimes() | st.dates() | st.timedeltas() | st.decimals(allow_nan=False) | st.uuids()
)  # fmt: skip
keys = st.text() | st.integers() | st.tuples(st.text(), st.integers())
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner) | st.lists(inner).map(deque),
    max_leaves=20,
)


@given(values)
def test_every_value_comes_back_with_its_type(value):
    found = round_trip(value)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        frozenset({"a"}),
        OrderedDict([("b", 1), ("a", 2)]),
        bytearray(b"x"),
        Health.HEALTHY,
        ip_network("10.0.0.0/8"),
        datetime(2026, 11, 24, tzinfo=UTC),
        date(2026, 11, 24),
        timedelta(days=-1, microseconds=3),
        Decimal("1.10"),
        uuid.UUID(int=7),
        math.inf,
        b"x" * LONG_BYTES,
        "ü" * LONG_BYTES,
        FakeAcl,
        get_canned_acl,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_lacks_comes_back(value):
    found = round_trip(value)
    assert (type(found), found) == (type(value), value)


def test_a_dictionary_with_a_default_keeps_it():
    found = round_trip(defaultdict(list, {"a": [1]}))
    assert found["none"] == []
    assert found["a"] == [1]


def test_an_object_of_motos_comes_back_without_being_made_by_its_class():
    acl = FakeAcl([FakeGrant([FakeGrantee(grantee_id="me")], ["READ"])])
    found = round_trip(acl)
    assert type(found) is FakeAcl
    assert found.grants[0].grantees[0].id == "me"
    assert found.grants[0].permissions == ["READ"]


def test_locks_come_back_open():
    lock = threading.Lock()
    lock.acquire()
    found = round_trip({"lock": lock, "event": threading.Event()})
    assert found["lock"].acquire(blocking=False)
    assert not found["event"].is_set()


def test_what_is_no_data_is_left_out_and_the_rest_stays():
    assert round_trip({"thread": threading.current_thread(), "name": "kept"}) == {"name": "kept"}
    assert round_trip([lambda: 1, 2]) == [2]


def test_an_object_of_another_package_has_no_form():
    with pytest.raises(Unwritable):
        round_trip(json.JSONDecoder())


@pytest.mark.parametrize(
    "form",
    [
        ["i", "subprocess:Popen", {}, None],
        ["i", "os:system", {}, None],
        ["c", "builtins:eval"],
        ["fn", "os:system"],
        ["fn", "localcloud.durable.form:Writer"],
        ["fn", "localcloud.durable.form:base64.b64decode"],
        ["i", "moto.s3.models:get_canned_acl", {}, None],
        ["e", "moto.s3.models:FakeAcl", "x"],
        ["i", "localcloud.nothing:Here", {}, None],
        ["m", {"a": 1}, "clear"],
        ["no such kind"],
    ],
    ids=str,
)
def test_a_journal_cannot_name_what_is_not_on_the_list(form):
    with pytest.raises(NameRefused):
        Reader(Shelf(), refuse_reference).read(form)
