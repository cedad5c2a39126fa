"""What a poller sees of each kind of job: its statuses in SageMaker's order, none twice, and the last one for good."""

import os
from pathlib import Path

import pytest

IMAGE = "public.ecr.aws/docker/library/python:3.11"
ROLE = "arn:aws:iam::123456789012:role/jobs"
CONTAINER = Path(__file__).with_name("container")
PATH = {"PATH": f"{CONTAINER}:{os.defpath}"}
METRIC = [{"Name": "score", "Regex": r"score=([-0-9.]+);"}]
MACHINE = {"InstanceType": "ml.m5.large", "InstanceCount": 1}
DISK = {**MACHINE, "VolumeSizeInGB": 10}
ALGORITHM = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": METRIC}
DEFINITION = {
    "AlgorithmSpecification": ALGORITHM,
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://jobs/states"},
    "ResourceConfig": DISK,
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    "Environment": PATH,
}
SPEEDS = {"well": {"x": "1"}, "ill": {"x": "1", "kind": "sick"}, "slow": {"x": "1", "pause": "60"}}
BODIES = {"well": b"a", "ill": b"bad", "slow": b"slow"}
CALLS = {
    "TrainingJob": "training_job",
    "ProcessingJob": "processing_job",
    "TransformJob": "transform_job",
    "HyperParameterTuningJob": "hyper_parameter_tuning_job",
}
ENDS = {
    "well": ["InProgress", "Completed"],
    "ill": ["InProgress", "Failed"],
    "slow": ["InProgress", "Stopping", "Stopped"],
}


def training(name, how):
    return {"TrainingJobName": name, "HyperParameters": SPEEDS[how], **DEFINITION}


def processing(name, how):
    command = {"well": "0.3", "ill": "no number", "slow": "60"}[how]
    return {
        "ProcessingJobName": name,
        "ProcessingResources": {"ClusterConfig": DISK},
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["sleep", command]},
        "RoleArn": ROLE,
    }


def transform(name, how):
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/states-{how}"}}
    return {
        "TransformJobName": name,
        "ModelName": "states",
        "TransformInput": {"DataSource": source},
        "TransformOutput": {"S3OutputPath": "s3://jobs/states"},
        "TransformResources": MACHINE,
    }


def tuning(name, how):
    fixed = {key: value for key, value in SPEEDS[how].items() if key != "x"}
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1"]}]},
        },
        "TrainingJobDefinition": {**DEFINITION, "StaticHyperParameters": fixed},
    }


REQUESTS = {
    "TrainingJob": training,
    "ProcessingJob": processing,
    "TransformJob": transform,
    "HyperParameterTuningJob": tuning,
}


@pytest.fixture
def model(cloud):
    for how, body in BODIES.items():
        cloud.s3.put_object(Bucket="data", Key=f"states-{how}", Body=body)
    container = {"Image": IMAGE, "Environment": PATH}
    cloud.sagemaker.create_model(ModelName="states", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    yield
    cloud.sagemaker.delete_model(ModelName="states")


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("how", sorted(ENDS))
@pytest.mark.parametrize("kind", sorted(REQUESTS))
def test_a_poller_sees_the_statuses_in_their_order(cloud, until, kind, how):
    name = f"states-{CALLS[kind].replace('_', '-')}"[:27] + f"-{how}"
    call = {f"{kind}Name": name}
    getattr(cloud.sagemaker, f"create_{CALLS[kind]}")(**REQUESTS[kind](name, how))
    seen, stopped = [], []

    def look():
        status = getattr(cloud.sagemaker, f"describe_{CALLS[kind]}")(**call)[f"{kind}Status"]
        if not seen or seen[-1] != status:
            seen.append(status)
        if how == "slow" and status == "InProgress" and not stopped:
            stopped.append(getattr(cloud.sagemaker, f"stop_{CALLS[kind]}")(**call))
        return status in ("Completed", "Failed", "Stopped")

    until(look)
    look()
    assert seen[0] == "InProgress"
    assert seen[-1] == ENDS[how][-1]
    assert [status for status in ENDS[how] if status in seen] == seen, "in this order, each once, none besides"
