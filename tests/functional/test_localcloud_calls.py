"""Who called what is counted also where nothing is enforced."""

from __future__ import annotations

from localcloud.engines import load_engines
from localcloud.server import LocalCloud
from tests.functional.test_localcloud_permissions import World


def test_without_the_switch_everything_passes_and_is_counted(tmp_path):
    with LocalCloud(home=tmp_path, engines=load_engines(["s3"])) as cloud:
        world = World(cloud)
        world.worker("s3").get_object(Bucket="data", Key="out/1")
        assert world.calls() == {("s3:GetObject", "arn:aws:s3:::data/out/*"): (False, 1)}
