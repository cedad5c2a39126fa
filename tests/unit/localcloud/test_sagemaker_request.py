"""What CreateTrainingJob refuses, and in which words."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.sagemaker.exceptions import AWSValidationException

from localcloud.engines.sagemaker_request import check_request

GOOD: dict[str, Any] = {
    "TrainingJobName": "digits-train-0123456789ab-e1",
    "RoleArn": "arn:aws:iam::123456789012:role/service-role/training",
    "AlgorithmSpecification": {
        "TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38",
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
    },
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/digits/"}},
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://jobs/jobs"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    "HyperParameters": {"epochs": "3"},
    "Environment": {"FLAVOUR": "vanilla"},
}


def change(path: str, value: Any) -> dict[str, Any]:
    """Return the good request with one value changed; `path` is joined by dots."""
    request = copy.deepcopy(GOOD)
    target: Any = request
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name) if name.isdigit() else name]
    target[last] = value
    return request


def test_accepts_a_good_request():
    check_request(GOOD)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ("TrainingJobName", "under_score", "Value 'under_score' at 'trainingJobName' failed to satisfy constraint"),
        ("TrainingJobName", "-dash", "must satisfy regular expression pattern"),
        ("TrainingJobName", "a" * 64, "Member must have length less than or equal to 63"),
        ("RoleArn", "arn:aws:iam::12:role/short-account", "'roleArn' failed to satisfy constraint"),
        ("StoppingCondition", None, "'stoppingCondition' failed to satisfy constraint: Member must not be null"),
        ("HyperParameters.epochs", "9" * 2501, "length less than or equal to 2500"),
        ("Environment", {"1ST": "x"}, "pattern"),
        ("InputDataConfig.0.ChannelName", "a/b", "'inputDataConfig.1.member.channelName'"),
        ("InputDataConfig.0.ChannelName", "..", "cannot be the name of a channel"),
        ("InputDataConfig", [GOOD["InputDataConfig"][0]] * 2, "Channel names must be unique"),
        ("InputDataConfig.0.DataSource", {"FileSystemDataSource": {}}, "S3 alone"),
        ("InputDataConfig.0.DataSource.S3DataSource.S3DataType", "AugmentedManifestFile", "AugmentedManifestFile"),
        ("InputDataConfig.0.InputMode", "Pipe", "Pipe"),
        ("AlgorithmSpecification.TrainingInputMode", "Pipe", "not Pipe"),
        ("AlgorithmSpecification.AlgorithmName", "bought", "not both"),
        ("AlgorithmSpecification.MetricDefinitions", [{"Name": "a", "Regex": "("}], "Invalid regular expression"),
        ("AlgorithmSpecification.MetricDefinitions", [{"Name": "a", "Regex": "a"}] * 2, "different names"),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "MaxRuntimeInSeconds must be between 1 and 2419200"),
        ("EnableManagedSpotTraining", True, "Invalid MaxWaitTimeInSeconds"),
        ("OutputDataConfig.S3OutputPath", "/tmp", "not a valid S3 URI"),
        ("CheckpointConfig", {"S3Uri": "https://elsewhere"}, "not a valid S3 URI"),
        ("Tags", [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}], "Duplicate tag key found: a"),
    ],
)
def test_refuses_and_says_why(path, value, complaint):
    with pytest.raises(AWSValidationException, match=re.escape(complaint)):
        check_request(change(path, value))


def test_counts_all_violations_at_once():
    request = change("TrainingJobName", "a b") | {"RoleArn": "me"}
    with pytest.raises(AWSValidationException, match="2 validation errors detected: ") as caught:
        check_request(request)
    assert "trainingJobName" in caught.value.message
    assert "roleArn" in caught.value.message


@given(st.from_regex(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", fullmatch=True).filter(lambda name: len(name) <= 63))
def test_accepts_every_name_that_sagemaker_documents(name):
    check_request(change("TrainingJobName", name))
