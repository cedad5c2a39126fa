"""Bytes that lie in files are sliced as bytes are."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.body import Body, Stretch, join_bodies, set_vault, write_body
from localcloud.durable.vault import Vault


@pytest.fixture(scope="module", autouse=True)
def vault(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    made = Vault(Path(tmp_path_factory.mktemp("vault")))
    set_vault(made)
    yield made
    set_vault(None)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=4), st.integers(0, 90), st.integers(0, 90))
def test_a_range_is_what_it_is_of_bytes(parts, begin, end):
    content = b"".join(parts)
    bodies = [write_body([part]) for part in parts]
    whole = join_bodies(bodies)
    found = whole.stretch()[begin:end]
    assert bytes(found) == content[begin:end]
    assert len(found) == len(content[begin:end])
    for body in (whole, *bodies):
        body.close()


def test_a_file_stays_as_long_as_somebody_holds_it(vault):
    part = write_body([b"a" * 100])
    joined, copied = join_bodies([part, part]), Body.of(part.stretch())
    part.close()
    part.close()
    assert joined.read() == b"a" * 200
    joined.close()
    assert copied.read() == b"a" * 100
    copied.close()
    assert list(vault.folder.iterdir()) == []


def test_an_empty_stretch_is_false():
    assert not Stretch([])
