"""A cloud with Lambda that runs functions: one server for the tests of a file, one function name for each."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from lambda_cloud import PROBE, Clock, Cloud
from moto.core.base_backend import BackendDict
from moto.server import ThreadedMotoServer

from localcloud.engine import Host
from localcloud.engines.lambda_ import LambdaEngine
from localcloud.engines.lambda_fleet import Limits
from localcloud.process import Supervisor
from localcloud.runtime import ROOT, Runtime, Runtimes


@pytest.fixture(scope="module")  # not session: only one localcloud can live in a process
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    code = tmp_path_factory.mktemp("image")
    (code / "probe.py").write_text(PROBE)
    (code / "broken.py").write_text("raise RuntimeError('cannot load the model')\n")
    python = ROOT / ".venv-mxnet" / "bin" / "python"
    runtimes = Runtimes(
        [
            Runtime("*/probe:*", python, (code,), ("probe.handler",)),
            Runtime("public.ecr.aws/lambda/python:*", python, ()),
        ],
        Path("runtimes.toml"),
    )
    clock = Clock()
    engine = LambdaEngine(
        limits=Limits(per_version=4),
        draw=random.Random(11).random,
        settle_seconds=0.05,
        clock=clock,
        retry_delays_seconds=(0.05, 0.05),
    )
    supervisor = Supervisor()
    server = ThreadedMotoServer(port=0, verbose=False)
    home = tmp_path_factory.mktemp("home")
    host = Host(supervisor, runtimes, home, "http://127.0.0.1:1", "us-east-1")
    engine.install(host)
    server.start()
    try:
        yield Cloud("http://{}:{}".format(*server.get_host_and_port()), clock)
    finally:
        server.stop()
        engine.close()
        supervisor.close()
        BackendDict.reset()  # moto's server forgets nothing by itself
