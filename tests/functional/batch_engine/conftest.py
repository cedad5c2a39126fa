"""One localcloud for all of a file's tests of Batch."""

from collections.abc import Iterator

import pytest
from batch_cloud import BatchCloud

from localcloud.engines.batch import BatchEngine
from localcloud.engines.batch_scheduler import BatchSettings
from localcloud.engines.ec2 import Ec2Engine
from localcloud.engines.ec2_machine import MachineSettings
from localcloud.server import LocalCloud


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchCloud]:
    engines = [BatchEngine(BatchSettings(grace_seconds=1)), Ec2Engine(MachineSettings())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCALCLOUD_CANARY", "canary-of-the-parent")
        with LocalCloud(home=tmp_path_factory.mktemp("home"), engines=engines) as running:
            yield BatchCloud(running.url)
