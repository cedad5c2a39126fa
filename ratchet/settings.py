"""Every RATCHET_* variable in one place: argument before environment before default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ratchet.errors import SpecError


@dataclass(frozen=True)
class Settings:
    """How this process is set up; AWS's own variables (AWS_REGION, AWS_ENDPOINT_URL, ...) are boto3's business.

    Attributes
    ----------
    stack
        Name of the CloudFormation stack whose outputs say where everything is (`RATCHET_STACK`).
    region
        AWS region (`AWS_REGION`, then `AWS_DEFAULT_REGION`).
    pipelines_folder
        Where the pipelines' YAML files are (`RATCHET_PIPELINES`).
    poll_seconds
        Seconds between two looks at something remote (`RATCHET_POLL_SECONDS`).
    sweep_seconds
        Seconds between two sweeps for data whose event was lost (`RATCHET_SWEEP_SECONDS`).
    home
        Where a laptop's stack keeps its state, logs and process ids (`RATCHET_HOME`).
    airflow_url
        Base URL of Airflow's API server (`RATCHET_AIRFLOW_URL`).
    console_url
        Where links to jobs and objects lead (`RATCHET_CONSOLE_URL`); the AWS console of the region by default.
    """

    stack: str = "ratchet"
    region: str = "us-east-1"
    pipelines_folder: Path = Path("pipelines")
    poll_seconds: float = 10.0
    sweep_seconds: float = 600.0
    home: Path = Path(".ratchet")
    airflow_url: str = "http://localhost:8080"
    console_url: str = "https://us-east-1.console.aws.amazon.com"

    def object_page(self, uri: str) -> str:
        """Link to the console's page of an S3 object given as `s3://bucket/key`."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return f"{self.console_url}/s3/object/{bucket}?region={self.region}&prefix={quote(key)}"

    def job_page(self, name: str) -> str:
        """Link to the console's page of a SageMaker training job."""
        return f"{self.console_url}/sagemaker/home?region={self.region}#/jobs/{name}"

    def run_page(self, dag: str, run_id: str) -> str:
        """Link to Airflow's page of a run."""
        return f"{self.airflow_url}/dags/{dag}/runs/{quote(run_id, safe='')}"

    def tuning_page(self, name: str) -> str:
        """Link to the console's page of a SageMaker tuning job."""
        return f"{self.console_url}/sagemaker/home?region={self.region}#/hyper-tuning-jobs/{name}"

    def service_page(self, cluster: str, service: str) -> str:
        """Link to the console's page of an ECS service."""
        return f"{self.console_url}/ecs/v2/clusters/{cluster}/services/{service}/health?region={self.region}"

    def function_page(self, name: str) -> str:
        """Link to the console's page of a Lambda function."""
        return f"{self.console_url}/lambda/home?region={self.region}#/functions/{name}"


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from an environment; `SpecError` names a variable that cannot be read."""
    env = os.environ if environment is None else environment
    default = Settings()
    region = env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or default.region
    console = f"https://{region}.console.aws.amazon.com"
    return Settings(
        stack=env.get("RATCHET_STACK", default.stack),
        region=region,
        pipelines_folder=Path(env.get("RATCHET_PIPELINES", str(default.pipelines_folder))),
        poll_seconds=_seconds(env, "RATCHET_POLL_SECONDS", default.poll_seconds),
        sweep_seconds=_seconds(env, "RATCHET_SWEEP_SECONDS", default.sweep_seconds, most=86_400),
        home=Path(env.get("RATCHET_HOME", str(default.home))),
        airflow_url=env.get("RATCHET_AIRFLOW_URL", default.airflow_url).rstrip("/"),
        console_url=env.get("RATCHET_CONSOLE_URL", console).rstrip("/"),
    )


def _seconds(env: Mapping[str, str], name: str, default: float, most: int = 3600) -> float:
    raw = env.get(name)
    if raw is None:
        return default
    try:
        value = float(raw)
    except ValueError as error:
        raise SpecError(f"{name}={raw!r} is not a number of seconds; unset it or set it to, say, 10") from error
    if not 0 < value <= most:
        raise SpecError(f"{name}={raw!r} must be more than 0 and at most {most} seconds")
    return value
