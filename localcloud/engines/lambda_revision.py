"""What one version of a function runs: frozen code and configuration, and the environment variables AWS sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

INVALID_ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided"
)
_ENVIRONMENT_BYTES = 4096
# The variables that a function may not set itself:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
RESERVED_KEYS = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


@dataclass(frozen=True)
class ImageCode:
    """A container image, and the folder that the function works in when it is not the image's own."""

    uri: str
    working_directory: str | None = None


@dataclass(frozen=True)
class ZipCode:
    """A deployment package: its bytes, named by their SHA-256 in hexadecimal."""

    digest: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Identity:
    """Which version this is. `revision` tells two states of `$LATEST` apart."""

    account: str
    region: str
    name: str
    version: str
    revision: str

    @property
    def arn(self) -> str:
        """The function's ARN, without a qualifier."""
        return f"arn:aws:lambda:{self.region}:{self.account}:function:{self.name}"

    def replaces(self, other: Identity) -> bool:
        """Whether the other is an earlier state of the same version."""
        return self.arn == other.arn and self.version == other.version and self.revision != other.revision


@dataclass(frozen=True)
class Revision:
    """Everything an execution environment needs to know; nothing in it changes."""

    identity: Identity
    code: ImageCode | ZipCode
    handler: str
    runtime: str | None
    role: str
    memory_mib: int
    timeout_seconds: int
    environment: Mapping[str, str]

    @property
    def log_group(self) -> str:
        """The CloudWatch Logs group."""
        return f"/aws/lambda/{self.identity.name}"


def find_environment_fault(variables: Mapping[str, str]) -> str | None:
    """Return what AWS says against these environment variables, or `None`."""
    reserved = sorted(RESERVED_KEYS & variables.keys())
    if reserved:
        return (
            f"{INVALID_ENVIRONMENT} contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in variables.items())
    if size > _ENVIRONMENT_BYTES:
        return f"{INVALID_ENVIRONMENT} exceeded the 4KB limit. String measured: {size} bytes"
    return None


def set_by_lambda(revision: Revision, *, log_stream: str, runtime_api: str) -> dict[str, str]:
    """Variables that Lambda itself sets, before the function's own."""
    identity = revision.identity
    found = {
        "_HANDLER": revision.handler,
        "AWS_REGION": identity.region,
        "AWS_DEFAULT_REGION": identity.region,
        "AWS_LAMBDA_FUNCTION_NAME": identity.name,
        "AWS_LAMBDA_FUNCTION_VERSION": identity.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(revision.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": revision.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "TZ": ":UTC",
    }
    if revision.runtime:
        found["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{revision.runtime}"
    return found
