"""Two hosts that train one network: scheduler, two servers and two workers as processes on this machine."""

from __future__ import annotations

import json
import os

import pytest
from training_job import Job

from ratchet.contract import METRIC_PREFIX, verify_manifest

OPTIONS = {"network": "mlp", "batch_size": 16, "learning_rate": 0.01, "threads": 1, "seed": 5, "epochs": 4}


def addresses(count):
    """Loopback addresses that no other test on this machine uses: hosts listen at a fixed port."""
    second, third = divmod(os.getpid(), 250)
    return [f"127.{second % 200 + 20}.{third + 1}.{number + 1}" for number in range(count)]


def start_hosts(folder, prepared, **options):
    hosts = addresses(2)
    jobs = [Job(folder / host, "train", {"prepared": prepared}) for host in hosts]
    for job, host in zip(jobs, hosts, strict=True):
        job.environment = {"SM_HOSTS": json.dumps(hosts), "SM_CURRENT_HOST": host}
    return jobs, [job.start(**{**OPTIONS, **options}) for job in jobs]


def history(job):
    return json.loads((job.model / "metrics.json").read_text())["history"]


def test_two_hosts_learn_what_one_learns_and_the_first_leaves_the_model(tmp_path, prepared):
    jobs, processes = start_hosts(tmp_path, prepared)
    codes = [job.finish(process) for job, process in zip(jobs, processes, strict=True)]
    assert codes == [0, 0], [job.log for job in jobs]
    alone = Job(tmp_path / "alone", "train", {"prepared": prepared}).must(**OPTIONS)
    verify_manifest(jobs[0].model)
    assert not list(jobs[1].model.iterdir())
    assert METRIC_PREFIX not in jobs[1].log
    together, one = history(jobs[0])[-1], history(alone)[-1]
    assert together["validation_accuracy"] == pytest.approx(one["validation_accuracy"], abs=0.06)
    assert together["validation_loss"] == pytest.approx(one["validation_loss"], abs=0.1)
    assert json.loads((jobs[0].model / "metrics.json").read_text())["hosts"] == 2
    assert list(jobs[0].checkpoints.glob("epoch-*"))
    assert not jobs[1].checkpoints.exists()


def test_hosts_whose_checkpoints_differ_say_so_and_end(tmp_path, prepared):
    hosts = addresses(2)
    ahead = Job(tmp_path / hosts[0], "train", {"prepared": prepared}).must(**{**OPTIONS, "epochs": 1})
    jobs, processes = start_hosts(tmp_path, prepared)
    codes = [job.finish(process) for job, process in zip(jobs, processes, strict=True)]
    assert codes == [1, 1]
    assert "the hosts disagree on the epoch to go on from" in ahead.reason
