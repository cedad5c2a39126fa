"""Training jobs on several hosts: each finds the others by name, has its own ports, and a share of the data."""

import json
from pathlib import Path

import pytest

from localcloud.hostname import can_rename

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"
SCRIPTS = Path(__file__).with_name("scripts")


def channel(kind):
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://data/shards/", "S3DataDistributionType": kind}
    return {"ChannelName": "train", "DataSource": {"S3DataSource": source}}


def machines(count):
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 10}


@pytest.mark.parametrize(
    ("kind", "files"), [("FullyReplicated", ["a", "b", "c"] * 3), ("ShardedByS3Key", ["a", "b", "c"])]
)
def test_hosts_find_each_other_and_leave_one_model(cloud, kind, files):
    cloud.put_data("shards/a", "shards/b", "shards/c")
    changes = cloud.plain("exchange.py", ResourceConfig=machines(3), InputDataConfig=[channel(kind)])
    name = f"three-{kind.lower()}"
    described = cloud.run(name, "exchange.py", **changes)
    assert described["TrainingJobStatus"] == "Completed", cloud.read_log(name)
    model = cloud.read_archive(name, "model.tar.gz")
    told = [json.loads(model[f"{number}.json"]) for number in range(3)]
    assert [len(found["heard"]) for found in told] == [2, 2, 2]
    assert sorted(file for found in told for file in found["files"]) == sorted(files)
    if can_rename():
        assert told[0]["heard"] == ["algo-2", "algo-3"]
        assert model["shared"] == b"algo-1", "of two files of one name the first host's counts"
    streams = cloud.logs.describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=f"{name}/"
    )["logStreams"]
    assert [found["logStreamName"].split("/")[1][:7] for found in streams] == ["algo-1-", "algo-2-", "algo-3-"]


def test_two_jobs_at_once_may_use_the_same_port(cloud):
    for name in ("left", "right"):
        cloud.start(name, "exchange.py", **cloud.plain("exchange.py", ResourceConfig=machines(2)))
    assert {cloud.wait_for_end(name)["TrainingJobStatus"] for name in ("left", "right")} == {"Completed"}


def test_one_host_that_fails_ends_the_others(cloud, ends):
    changes = cloud.plain("one_fails.py", ResourceConfig=machines(2))
    described = cloud.run("one-fails", "one_fails.py", **changes)
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"] == "AlgorithmError: host 2 gave up, exit code: 3"
    ends(int(next(line for line in cloud.read_log("one-fails") if line.startswith("pid ")).split()[1]))


def test_the_hosts_of_a_job_find_each_other_through_the_toolkit(cloud):
    described = cloud.run("toolkit", "who.py", ResourceConfig=machines(2))
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    found = [line for line in cloud.read_log("toolkit") if line.startswith("I am")]
    hosts = "['algo-1', 'algo-2']" if can_rename() else None
    assert len(found) == 2
    if hosts:
        assert found == [f"I am algo-1 of {hosts}", f"I am algo-2 of {hosts}"]


def test_refuses_more_hosts_than_a_laptop_has_room_for(cloud):
    request = cloud.request("crowd", "train.py", ResourceConfig=machines(21))
    assert "at most 20 instances" in cloud.refusal("create_training_job", **request)[1]


def test_mxnets_distributed_kvstore_runs_in_a_job(cloud):
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["python", str(SCRIPTS / "kvstore.py")],
    }
    described = cloud.run("kvstore", "kvstore.py", AlgorithmSpecification=algorithm, ResourceConfig=machines(2))
    assert described["TrainingJobStatus"] == "Completed", cloud.read_log("kvstore")
    told = [json.loads(content) for content in cloud.read_archive("kvstore", "model.tar.gz").values()]
    assert sorted(found["rank"] for found in told) == [0, 1]
    assert [(found["workers"], found["sum"]) for found in told] == [(2, 3.0), (2, 3.0)]
