"""One localcloud for all of a file's tests of instances."""

from collections.abc import Iterator

import pytest
from ec2_cloud import Cloud

from localcloud.server import LocalCloud


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALCLOUD_CANARY", "canary-of-the-parent")
        patch.setenv("LOCALCLOUD_EC2_STOP_GRACE_SECONDS", "2")
        with LocalCloud(home=tmp_path_factory.mktemp("home")) as local:
            yield Cloud(local.url)
