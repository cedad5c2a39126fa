"""What pipelines are measured against: DAGs of twelve operators of the amazon provider, as its examples use them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from airflow.providers.amazon.aws.operators.ecs import EcsRegisterTaskDefinitionOperator, EcsRunTaskOperator
from airflow.providers.amazon.aws.operators.lambda_function import LambdaInvokeFunctionOperator
from airflow.providers.amazon.aws.operators.s3 import (
    S3CopyObjectOperator,
    S3CreateObjectOperator,
    S3DeleteObjectsOperator,
    S3ListOperator,
)
from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerEndpointConfigOperator,
    SageMakerEndpointOperator,
    SageMakerModelOperator,
    SageMakerProcessingOperator,
    SageMakerTrainingOperator,
)
from airflow.sdk import DAG, chain

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"
RESOURCES = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}


def build_dag(name: str) -> DAG:
    """One DAG that trains and deploys, in twelve tasks."""
    with DAG(
        f"stock_{name}",
        schedule="0 3 * * *",
        catchup=False,
        max_active_runs=1,
        tags=["stock", name],
        default_args={"owner": "ml-platform", "retries": 2},
    ) as dag:
        chain(*_data(name), *_training(name), *_serving(name))
    return dag


def _data(name: str) -> Iterator[Any]:
    yield S3ListOperator(task_id="list", bucket="data", prefix=f"{name}/")
    yield S3CopyObjectOperator(
        task_id="copy", source_bucket_key=f"s3://data/{name}/in", dest_bucket_key=f"s3://data/{name}/out"
    )
    yield SageMakerProcessingOperator(
        task_id="prepare",
        config={
            "ProcessingJobName": f"{name}-prepare",
            "ProcessingResources": {"ClusterConfig": RESOURCES},
            "AppSpecification": {"ImageUri": IMAGE},
            "RoleArn": ROLE,
        },
    )


def _training(name: str) -> Iterator[Any]:
    config = {
        "TrainingJobName": f"{name}-train",
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "HyperParameters": {"epochs": "12", "batch-size": "32"},
        "OutputDataConfig": {"S3OutputPath": f"s3://models/{name}/"},
        "ResourceConfig": RESOURCES,
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "RoleArn": ROLE,
    }
    yield SageMakerTrainingOperator(task_id="train", config=config)
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://models/{name}/model.tar.gz"}
    yield SageMakerModelOperator(
        task_id="model", config={"ModelName": name, "ExecutionRoleArn": ROLE, "PrimaryContainer": container}
    )


def _serving(name: str) -> Iterator[Any]:
    variant = {
        "VariantName": "one",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    yield SageMakerEndpointConfigOperator(
        task_id="endpoint_config", config={"EndpointConfigName": name, "ProductionVariants": [variant]}
    )
    yield SageMakerEndpointOperator(task_id="endpoint", config={"EndpointName": name, "EndpointConfigName": name})
    yield EcsRegisterTaskDefinitionOperator(
        task_id="define", family=name, container_definitions=[{"name": "serve", "image": IMAGE, "memory": 512}]
    )
    yield EcsRunTaskOperator(task_id="run", cluster="serving", task_definition=name, overrides={})
    yield LambdaInvokeFunctionOperator(task_id="ask", function_name=name, payload='{"ping": 1}')
    yield S3CreateObjectOperator(task_id="note", s3_bucket="models", s3_key=f"{name}/done", data="done")
    yield S3DeleteObjectsOperator(task_id="tidy", bucket="data", prefix=f"{name}/out")


for number in range(int(os.environ["STOCK_DAGS"])):
    dag = build_dag(f"p{number:04d}")
    globals()[dag.dag_id] = dag
