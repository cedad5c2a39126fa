"""The whole way of a version through the domain's parts."""

from __future__ import annotations

from ratchet.data import ClaimKey
from ratchet.registry import Stage


def test_leads_a_version_from_data_to_champion(world):
    world.upload("0/a.png", b"zero")
    world.upload("1/b.png", b"one")
    manifest = world.datasets.freeze("digits", "first")
    assert world.datasets.read("digits", manifest.version) == manifest
    assert world.claims.take(ClaimKey("digits", manifest.version, "i" * 64), holder="r1").granted
    champion = world.crown("one")
    assert champion.stage is Stage.CHAMPION
    assert world.registry.champion("digits") == champion
    second = world.crown("two")
    assert world.registry.champion("digits") == second
    assert world.registry.get("digits", 1).stage is Stage.RETIRED
    assert world.registry.verify_history("digits").intact
    assert [v.version for v in world.registry.list("digits")] == [2, 1]
    assert world.registry.models() == ["digits"]
