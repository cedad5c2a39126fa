"""What a pipeline has seen, and what a sweep then finds, over moto."""

from __future__ import annotations

import pytest

from ratchet.data import Sighting, judge_sighting
from ratchet.errors import DataError


def look(world):
    return world.datasets.observe("digits")


def note(world, run_id="r1"):
    seen = look(world)
    version = world.datasets.freeze("digits").version
    world.sightings.note("digits", "digits", fingerprint=seen.fingerprint, dataset_version=version, run_id=run_id)
    return version


def sweep(world, pipeline="digits"):
    return judge_sighting(look(world), world.sightings.find(pipeline, "digits"))


def test_an_empty_dataset_wakes_nobody(world):
    world.upload("_SUCCESS", b"")
    world.upload("0/", b"")
    assert (sweep(world).due, sweep(world).reason) == (False, "the dataset is empty")


def test_what_no_run_has_frozen_is_found(world):
    world.upload("0/a.png", b"zero")
    assert sweep(world).due


def test_what_a_run_has_frozen_is_not_found_again_and_each_pipeline_has_its_own_memory(world):
    world.upload("0/a.png", b"zero")
    version = note(world)
    assert sweep(world).reason == f"nothing new since run r1 froze version {version[:12]}"
    assert sweep(world, "another").due


@pytest.mark.parametrize("key", ["0/b.png", "0/größe 日本+x.png", "0/" + "x" * 1005])
def test_added_overwritten_and_deleted_objects_are_found(world, key):
    world.upload("0/a.png", b"zero")
    note(world)
    world.upload(key, b"new")
    assert sweep(world).due
    note(world, "r2")
    world.upload(key, b"newer")
    assert "other objects than run r2 saw" in sweep(world).reason
    note(world, "r3")
    world.door.client("s3").delete_object(Bucket="ratchet-data", Key=f"datasets/digits/{key}")
    assert sweep(world).due


def test_the_same_bytes_again_are_no_news(world):
    world.upload("0/a.png", b"zero")
    note(world)
    world.upload("0/a.png", b"zero")
    assert not sweep(world).due


def test_the_newest_sighting_stands(world):
    world.upload("0/a.png", b"zero")
    note(world, "r1")
    version = note(world, "r2")
    found = world.sightings.find("digits", "digits")
    assert found == Sighting(look(world).fingerprint, version, "r2", "2030-01-01T00:00:00.000Z")


def test_s3_tells_the_time(world):
    skew = world.datasets.ask_time("digits") - world.clock.now()
    assert abs(skew.total_seconds()) > 3600  # the hand-moved clock is years off, and is not asked


def test_a_bucket_without_versions_is_refused_with_the_command_that_turns_them_on(world):
    world.door.client("s3").put_bucket_versioning(
        Bucket="ratchet-data", VersioningConfiguration={"Status": "Suspended"}
    )
    world.upload("0/a.png", b"zero")
    with pytest.raises(DataError, match="aws s3api put-bucket-versioning"):
        world.datasets.freeze("digits")
