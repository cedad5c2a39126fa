"""botocore's errors, translated once into Ratchet's tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ratchet.errors import (
    CapacityError,
    ConflictError,
    NotFoundError,
    NotPermittedError,
    RatchetError,
    SpecError,
    ThrottledError,
    UnavailableError,
)

_BY_CODE: dict[str, type[RatchetError]] = {
    "AccessDenied": NotPermittedError,
    "AccessDeniedException": NotPermittedError,
    "UnauthorizedOperation": NotPermittedError,
    "ExpiredToken": NotPermittedError,
    "InvalidClientTokenId": NotPermittedError,
    "NoSuchBucket": NotFoundError,
    "NoSuchKey": NotFoundError,
    "NoSuchVersion": NotFoundError,
    "404": NotFoundError,
    "ResourceNotFound": NotFoundError,
    "ResourceNotFoundException": NotFoundError,
    "ServiceNotFoundException": NotFoundError,
    "ClusterNotFoundException": NotFoundError,
    "ConditionalCheckFailedException": ConflictError,
    "TransactionCanceledException": ConflictError,
    "PreconditionFailed": ConflictError,
    "PreconditionFailedException": ConflictError,
    "ConditionalRequestConflict": ConflictError,
    "ResourceInUse": ConflictError,
    "ResourceConflictException": ConflictError,
    "ResourceLimitExceeded": CapacityError,
    "InsufficientInstanceCapacity": CapacityError,
    "InstanceLimitExceeded": CapacityError,
    "MaxSpotInstanceCountExceeded": CapacityError,
    "VcpuLimitExceeded": CapacityError,
    "Unsupported": CapacityError,  # EC2: the zone has no machines of that type
    "Throttling": ThrottledError,
    "ThrottlingException": ThrottledError,
    "TooManyRequestsException": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "ProvisionedThroughputExceededException": ThrottledError,
    "TransactionInProgressException": UnavailableError,
    "SlowDown": ThrottledError,
    "ServiceUnavailable": UnavailableError,
    "InternalError": UnavailableError,
    "InternalServerError": UnavailableError,
}

_MAY_NOT = "Airflow's workers need OrchestratorPolicy of infra/ratchet.yaml; others need what is named here"


@contextmanager
def translate_errors(action: str, hint: str = "") -> Iterator[None]:
    """Raise Ratchet's error for botocore's; the first cause stays attached.

    Parameters
    ----------
    action
        What was being done, for example `freeze dataset digits`.
    hint
        What the reader can do about it, appended to the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _translated(error, action, hint) from error
    except BotoCoreError as error:
        raise UnavailableError(_sentence(action, str(error), hint)) from error


def error_code(error: Any) -> str:
    """The code of a botocore `ClientError`, for example `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _translated(error: Any, action: str, hint: str) -> RatchetError:
    code = error_code(error)
    kind = _BY_CODE.get(code)
    if kind is None:
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        kind = UnavailableError if status >= 500 else SpecError
    if kind is NotPermittedError:
        hint = hint or _MAY_NOT
    detail = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    return kind(_sentence(action, detail, hint))


def _sentence(action: str, detail: str, hint: str) -> str:
    return f"could not {action}: {detail.rstrip('.')}." + (f" {hint}" if hint else "")
