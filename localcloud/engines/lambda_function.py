"""A function as moto keeps it, with what AWS adds: revisions, states that take time, versions that never change."""

from __future__ import annotations

import base64
import copy
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import ImageConfig, LambdaFunction
from moto.awslambda.policy import Policy

from localcloud.engines.lambda_revision import Identity, ImageCode, Revision, ZipCode, find_environment_fault
from localcloud.storage import ObjectNotFound, get_object

# What differs between two looks at the same configuration, or names the version itself.
_VOLATILE = frozenset(
    {"FunctionArn", "LastModified", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"}
    | {"RevisionId", "State", "StateReason", "StateReasonCode", "Version"}
)
_PENDING = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
_UPDATING = {
    "LastUpdateStatus": "InProgress",
    "LastUpdateStatusReason": "The function is being updated.",
    "LastUpdateStatusReasonCode": "Updating",
}


class Function(LambdaFunction):  # type: ignore[misc]
    """`$LATEST` of a function, or one of its versions.

    Attributes
    ----------
    revision_id
        Changes with every change, and once more when a change has settled, as on AWS
        (https://github.com/aws/aws-sdk/issues/377): read it again after waiting.
    published_from
        Of a version: what `$LATEST` held when it was published.
    """

    published_from: str | None = None

    def __init__(
        self,
        *,
        account_id: str,
        spec: dict[str, Any],
        region: str,
        default_command: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_environment((spec.get("Environment") or {}).get("Variables") or {})
        super().__init__(account_id=account_id, spec=copy.deepcopy(spec), region=region, version="$LATEST")
        self.default_command = default_command
        self.dead_letter_config = spec.get("DeadLetterConfig")
        self.revision_id = str(uuid.uuid4())
        self._clock = clock
        self._settles_at: float | None = None
        self._transition: Mapping[str, str] = {}
        self._before: Revision | None = None

    def begin_creation(self, seconds: float) -> None:
        """Show `Pending` for some seconds."""
        self._begin(_PENDING, seconds)

    def resume(self, clock: Callable[[], float]) -> None:
        """Take up what an earlier localcloud left: its clock is another one, and what it had begun is done."""
        self._clock = clock
        self.settle()

    def settle(self) -> None:
        """End the transition, if there is one."""
        if self._settles_at is not None:
            self._settles_at, self._transition, self._before = None, {}, None
            self.revision_id = str(uuid.uuid4())

    @property
    def transition(self) -> str | None:
        """`Pending` while the function is made, `InProgress` while an update is, else `None`."""
        if self._settles_at is not None and self._clock() >= self._settles_at:
            self.settle()
        return self._transition.get("State") or self._transition.get("LastUpdateStatus")

    def change(self, update: Callable[[], Any], seconds: float) -> None:
        """Carry out an update; until it has settled, invocations run what was there before, as on AWS."""
        before = self.to_revision()
        saved = {**self.__dict__, "code": copy.deepcopy(self.code)}
        try:
            update()
        except BaseException:  # all of an update or nothing of it
            self.__dict__.update(saved)
            raise
        self.revision_id = str(uuid.uuid4())
        self._begin(_UPDATING, seconds)
        self._before = before

    def freeze(self, number: int, description: str | None) -> Function:
        """Return a version that shares nothing with this function that can change."""
        version = copy.copy(self)
        for name in ("code", "environment_vars", "image_config", "layers", "tracing_config", "_vpc_config"):
            setattr(version, name, copy.deepcopy(getattr(self, name)))
        version.settle()
        version.policy = Policy(version)
        version.url_config = None
        version.published_from = self.fingerprint()
        version.revision_id = str(uuid.uuid4())
        version.set_version(number)
        version.version = str(number)
        if description:
            version.description = description
        return version

    def fingerprint(self) -> str:
        """Return code and configuration as one comparable text."""
        found = {key: value for key, value in self.get_configuration().items() if key not in _VOLATILE}
        return json.dumps(found, sort_keys=True, default=str)

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:
        """Return the FunctionConfiguration structure of AWS's API."""
        _ = self.transition
        found: dict[str, Any] = copy.deepcopy(super().get_configuration(on_create=False))
        found["RevisionId"] = self.revision_id
        if self.dead_letter_config:
            found["DeadLetterConfig"] = self.dead_letter_config
        return found | dict(self._transition)

    def get_code(self) -> dict[str, Any]:
        """Return the structure that GetFunction answers."""
        found: dict[str, Any] = super().get_code()
        if "ImageUri" in self.code:
            repository = str(self.code["ImageUri"]).partition("@")[0]
            folder, slash, image = repository.rpartition("/")
            resolved = f"{folder}{slash}{image.partition(':')[0]}@sha256:{self.code_sha_256}"
            found["Code"]["ResolvedImageUri"] = resolved
        return found

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change the configuration, including what moto leaves out."""
        updates = copy.deepcopy(config_updates)
        if "Environment" in updates:
            variables = (updates["Environment"] or {}).get("Variables") or {}
            check_environment(variables)
            updates["Environment"] = {"Variables": variables}
        if "ImageConfig" in updates:
            self.image_config = ImageConfig(updates.pop("ImageConfig") or {})
        if "EphemeralStorage" in updates:
            self.ephemeral_storage = updates.pop("EphemeralStorage")["Size"]
        if "TracingConfig" in updates:
            self.tracing_config = updates.pop("TracingConfig")
        if "DeadLetterConfig" in updates:
            self.dead_letter_config = updates.pop("DeadLetterConfig")
        super().update_configuration(updates)
        return self.get_configuration()

    def to_revision(self) -> Revision:
        """Return what an invocation that starts now runs."""
        if self.transition == "InProgress" and self._before is not None:
            return self._before
        return Revision(
            identity=Identity(self.account_id, self.region, self.function_name, str(self.version), self.revision_id),
            code=self._code(),
            handler=self._handler(),
            runtime=self.run_time if self.package_type == "Zip" else None,
            role=self.role,
            memory_mib=int(self.memory_size),
            timeout_seconds=int(self.timeout),
            environment=dict(self.environment_vars),
        )

    def invoke(self, body: str, request_headers: Any, response_headers: Any) -> bytes:
        """Take an event from another service of this cloud (S3, SNS, Logs): asynchronously, as on AWS."""
        from moto.awslambda.utils import get_backend

        get_backend(self.account_id, self.region).submit(self.function_name, str(self.version), body.encode())
        return b""

    def _set_function_code(self, updated_spec: dict[str, Any]) -> None:
        spec = updated_spec
        if "S3Bucket" in updated_spec:  # moto would take the latest object whichever version is named
            spec = {"ZipFile": base64.b64encode(_fetch(updated_spec)).decode()}
        super()._set_function_code(spec)
        digest = spec.get("ImageUri", "").partition("@sha256:")[2]
        if digest:
            self.code_sha_256 = digest

    def _begin(self, transition: Mapping[str, str], seconds: float) -> None:
        self._transition = transition
        self._settles_at = self._clock() + seconds

    def _code(self) -> ImageCode | ZipCode:
        if self.package_type == "Image":
            return ImageCode(self.code["ImageUri"], self.image_config.working_directory)
        return ZipCode(self.code_digest, self.code_bytes)

    def _handler(self) -> str:
        if self.package_type != "Image":
            return str(self.handler or "")
        command = self.image_config.cmd or self.default_command
        return command[0] if len(command) == 1 else ""


def _fetch(spec: Mapping[str, Any]) -> bytes:
    try:
        return get_object(spec["S3Bucket"], spec["S3Key"], spec.get("S3ObjectVersion"))
    except ObjectNotFound as error:
        raise InvalidParameterValueException(
            f"Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: {error} does not exist."
        ) from error


def check_environment(variables: Mapping[str, str]) -> None:
    """Refuse environment variables that AWS refuses."""
    fault = find_environment_fault(variables)
    if fault:
        raise InvalidParameterValueException(fault)
