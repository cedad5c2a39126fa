"""What a rented machine is told to run, and what a job takes of a pool."""

import io
import shlex
import zipfile
from dataclasses import replace

from ratchet.compute.order import JobOrder
from ratchet.compute.rented.agent import agent_command, build_agent
from ratchet.compute.rented.boot import write_user_data
from ratchet.compute.rented.fleet import Rental
from ratchet.compute.rented.share import Share, read_share

ORDER = JobOrder(
    pipeline="p",
    step="train",
    program="training/train.py",
    code_uri="s3://jobs/code/c.tar.gz",
    instance_type="p3.2xlarge",
    channels=(),
    hyperparameters={},
)
RENTAL = Rental(
    job="p-train-1-e0",
    attempt=1,
    order=ORDER,
    image_uri="763104351884.dkr.ecr.eu-west-1.amazonaws.com/mxnet-training:1.9.0-gpu-py38",
    command=agent_command("jobs", "code/agent-1.pyz", "machines/j/request.json", attempt=1, lifetime_seconds=90),
    lifetime_seconds=90,
    tags={},
    market="on-demand",
    token="t",
)


def test_an_instance_ends_itself_whatever_happens():
    lines = write_user_data(RENTAL, "eu-west-1").splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "(sleep 90; shutdown -h now) &" in lines
    assert "trap 'shutdown -h now' EXIT" in lines
    assert "set -e" not in "".join(lines)


def test_an_instance_signs_in_to_the_images_registry_and_to_no_other():
    text = write_user_data(RENTAL, "eu-west-1")
    assert "get-login-password --region eu-west-1 | docker login" in text
    assert "docker login" not in write_user_data(replace(RENTAL, image_uri="docker.io/me/mine:1"), "eu-west-1")


def test_what_stands_in_user_data_is_one_word_each():
    hostile = replace(RENTAL, image_uri="x; reboot", command=("a b", "$(reboot)"))
    text = write_user_data(hostile, "eu-west-1")
    words = shlex.split(text.partition("docker run")[2].replace("\\\n", " "))
    assert words[-3:] == ["x; reboot", "a b", "$(reboot)"]


def test_user_data_fits_into_what_an_instance_takes():
    assert len(write_user_data(RENTAL, "eu-west-1").encode()) < 16 * 1024


def test_a_container_kills_an_agent_that_outlives_its_time():
    assert RENTAL.command[:4] == ("timeout", "--foreground", "--kill-after=5", "90")


def test_the_agent_is_one_file_and_the_same_bytes_each_time():
    build_agent.cache_clear()
    first = build_agent()
    build_agent.cache_clear()
    assert build_agent() == first
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert {"__main__.py", "training/agent/main.py", "training/agent/record.py"} <= set(names)


def test_a_job_takes_as_much_of_a_pool_as_its_machine_would_give_it():
    described = {
        "VCpuInfo": {"DefaultVCpus": 8},
        "MemoryInfo": {"SizeInMiB": 62464},
        "GpuInfo": {"Gpus": [{"Count": 1}]},
    }
    assert read_share(described) == Share(8192, 56217, 1)
    assert read_share({**described, "GpuInfo": {}}).gpus == 0
