"""SageMaker: names are unique and keep their rules, tokens make a repeat harmless."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.aws.target import Aws, refusal

_IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/mxnet-training:1.9.0-cpu-py38"


@pytest.fixture(scope="module")
def sagemaker(aws: Aws) -> Any:
    return aws.client("sagemaker")


@pytest.fixture(scope="module")
def bucket(aws: Aws) -> str:
    return aws.bucket()


def _training(name: str, role: str, bucket: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {"TrainingImage": _IMAGE, "TrainingInputMode": "File"},
        "RoleArn": role,
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }


def test_a_training_job_has_its_name_alone(aws: Aws, sagemaker: Any, role: str, bucket: str) -> None:
    job = _training(aws.name(), role, bucket)
    sagemaker.create_training_job(**job)
    aws.at_end(sagemaker.stop_training_job, TrainingJobName=job["TrainingJobName"])
    assert refusal(sagemaker.create_training_job, **job) == "ResourceInUse"


@pytest.mark.parametrize("name", ["under_score", "-first", "n" * 64])
def test_a_training_job_keeps_the_rules_of_names(aws: Aws, role: str, bucket: str, name: str) -> None:
    assert (
        refusal(aws.client("sagemaker").create_training_job, **_training(name, role, bucket)) == "ValidationException"
    )


@pytest.mark.parametrize("what", ["training_job", "processing_job", "transform_job", "hyper_parameter_tuning_job"])
def test_a_job_that_never_was_is_not_found(aws: Aws, sagemaker: Any, what: str) -> None:
    named = {f"{what.title().replace('_', '')}Name": aws.name()[:32]}
    code = refusal(getattr(sagemaker, f"describe_{what}"), **named)
    assert code in {"ValidationException", "ResourceNotFound"}


def test_a_package_with_its_token_is_made_once(aws: Aws, sagemaker: Any) -> None:
    group = aws.name()
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    aws.at_end(sagemaker.delete_model_package_group, ModelPackageGroupName=group)
    containers = {"Containers": [{"Image": _IMAGE}]}
    containers |= {"SupportedContentTypes": ["image/png"], "SupportedResponseMIMETypes": ["application/json"]}
    package = {"ModelPackageGroupName": group, "InferenceSpecification": containers, "ClientToken": aws.name()}
    arns = {sagemaker.create_model_package(**package)["ModelPackageArn"] for _ in range(3)}
    assert len(arns) == 1
    aws.at_end(sagemaker.delete_model_package, ModelPackageName=arns.pop())
    found = sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    assert len(found) == 1


def test_a_group_of_packages_has_its_name_alone(aws: Aws, sagemaker: Any) -> None:
    group = aws.name()
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    aws.at_end(sagemaker.delete_model_package_group, ModelPackageGroupName=group)
    code = refusal(sagemaker.create_model_package_group, ModelPackageGroupName=group)
    assert code == "ValidationException"


def test_a_model_has_its_name_alone(aws: Aws, sagemaker: Any, role: str) -> None:
    model = {"ModelName": aws.name(), "ExecutionRoleArn": role, "PrimaryContainer": {"Image": _IMAGE}}
    sagemaker.create_model(**model)
    aws.at_end(sagemaker.delete_model, ModelName=model["ModelName"])
    assert refusal(sagemaker.create_model, **model) == "ValidationException"
