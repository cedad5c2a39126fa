"""The catalogue over moto: found by tag and time in DynamoDB alone, and an object followed to what serves it."""

from __future__ import annotations

import dataclasses

import pytest
from domain_world import DEPLOYMENT, PROVENANCE, write_archive

from ratchet.data import Catalogue
from ratchet.errors import NotFoundError, SpecError
from ratchet.loop.lineage import trace
from ratchet.loop.workshop import Workshop
from ratchet.settings import load_settings
from ratchet.spec import Approval, Data, Pipeline


@pytest.fixture
def three(world):
    """Versions of two datasets, an hour apart: digits 1, cats 1, digits 2."""
    found = []
    for dataset, key in (("digits", "0/a"), ("cats", "x/a"), ("digits", "1/b")):
        world.upload(key, key.encode(), dataset=dataset)
        found.append(world.datasets.freeze(dataset))
        world.clock.pass_by(hours=1)
    return world, found


def names(rows):
    return [(row.dataset, row.number) for row in rows]


def catalogue(world):
    """One that may ask DynamoDB and nothing else."""

    class Ledger:
        def client(self, service):
            assert service == "dynamodb"
            return world.door.client(service)

    return Catalogue(Ledger(), DEPLOYMENT, world.clock)


def test_versions_come_in_the_order_of_time(three):
    found = catalogue(three[0])
    assert names(found.find()) == [("digits", 1), ("cats", 1), ("digits", 2)]
    assert names(found.find(dataset="digits")) == [("digits", 1), ("digits", 2)]
    assert names(found.find(since="2030-01-01T01")) == [("cats", 1), ("digits", 2)]
    assert names(found.find(since="2031")) == []


def test_a_tag_finds_the_versions_that_have_it_now(three):
    world, (first, _, second) = three
    found = catalogue(world)
    found.tag("digits", first.version, add=("gold", "checked"))
    found.tag("digits", second.version, add=("gold",))
    found.tag("digits", second.version, add=("gold",))
    assert names(found.find(tag="gold")) == [("digits", 1), ("digits", 2)]
    assert names(found.find(tag="gold", since="2030-01-01T01")) == [("digits", 2)]
    found.tag("digits", first.version, add=("old",), remove=("gold",))
    assert names(found.find(tag="gold")) == [("digits", 2)]
    assert found.get("digits", first.version).tags == ("checked", "old")
    found.tag("digits", first.version, add=("gold",))
    assert names(found.find(tag="gold")) == [("digits", 1), ("digits", 2)]


@pytest.mark.parametrize("tag", ["", " ", "a\nb", "x" * 65])
def test_refuses_what_is_no_tag(three, tag):
    with pytest.raises(SpecError, match="is no tag"):
        catalogue(three[0]).tag("digits", three[1][0].version, add=(tag,))


def test_a_version_is_meant_by_number_or_by_digest(three):
    world, (first, _, second) = three
    found = catalogue(world)
    assert found.resolve("digits", "2").version == second.version
    assert found.resolve("digits", first.version[:8]).number == 1
    with pytest.raises(NotFoundError, match="no version 'ffff'; the newest are: 2"):
        found.resolve("digits", "ffff")


def test_a_description_stays_with_its_version(three):
    world, (first, *_) = three
    catalogue(world).describe("digits", first.version, "the first scans")
    assert world.datasets.list_versions("digits")[-1].description == "the first scans"


def test_an_object_is_followed_to_versions_and_models(three, monkeypatch):
    world, (first, _, second) = three
    world.upload("0/a", b"newer")
    third = world.datasets.freeze("digits")
    for number, manifest in enumerate((second, third)):
        provenance = dataclasses.replace(PROVENANCE, dataset_version=manifest.version)
        archive = write_archive(world.folder, f"seed-{number}")
        world.registry.register("digits", archive, provenance, {}, writer=f"job-{number}")
    pipeline = Pipeline(name="digits", data=Data(dataset="digits"), approval=Approval(approvers=("alice",)))
    shop = Workshop(pipeline, settings=load_settings({}), aws=world.door, deployment=DEPLOYMENT, clock=world.clock)
    serving = {"ecs": {"version": 1, "digest": world.registry.get("digits", 1).digest, "details": {}}}
    monkeypatch.setattr("ratchet.loop.lineage.live_status", lambda aws, deployment, targets: serving)
    found = trace([shop], "digits", "0/a")
    assert names(use.version for use in found.uses) == [("digits", 3), ("digits", 2), ("digits", 1)]
    assert sorted(model.version for model in found.models) == [1, 2]
    assert [(one.target, one.model, one.version) for one in found.endpoints] == [("ecs", "digits", 1)]
    old = next(entry.version_id for entry in first.objects)
    narrowed = trace([shop], "digits", "0/a", old)
    assert names(use.version for use in narrowed.uses) == [("digits", 2), ("digits", 1)]
    assert [model.version for model in narrowed.models] == [1]
    assert trace([shop], "digits", "9/never") == trace([shop], "digits", "9/never", old)
    assert trace([shop], "digits", "9/never").uses == ()
