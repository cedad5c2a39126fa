"""Under which name others reach localcloud and its load balancers."""

from __future__ import annotations

from localcloud.engines.elbv2 import _reach
from localcloud.server import LocalCloud


def test_calls_itself_localhost_unless_told_otherwise():
    cloud = LocalCloud(port=4566)
    assert cloud.url == "http://localhost:4566"
    assert _reach(cloud.url) == ("localhost", ("127.0.0.1", "::1"))


def test_a_public_name_is_what_clients_and_load_balancers_use():
    cloud = LocalCloud(port=4566, public_name="localcloud")
    assert cloud.url == "http://localcloud:4566"
    assert _reach(cloud.url) == ("localcloud", ("0.0.0.0",))
