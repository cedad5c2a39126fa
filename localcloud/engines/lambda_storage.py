"""Functions, versions and aliases of one region, kept as AWS keeps them."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    PreconditionFailedException,
)
from moto.awslambda.models import LambdaStorage

from localcloud.engines.lambda_alias import Alias, check_name, check_routing, check_version
from localcloud.engines.lambda_function import Function

STALE_REVISION = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)


class ResourceConflict(LambdaClientError):  # type: ignore[misc]
    """HTTP 409: the resource exists, is in use, or is being changed."""

    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


def check_revision(given: str | None, current: str) -> None:
    """Refuse a RevisionId that is not the latest."""
    if given and given != current:
        raise PreconditionFailedException(STALE_REVISION)


def check_settled(function: Function) -> None:
    """Refuse a change while another is under way."""
    if function.transition == "Pending":
        raise ResourceConflict(
            "The operation cannot be performed at this time. The function is currently in the following state: Pending"
        )
    if function.transition:
        raise ResourceConflict(
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {function.function_arn}"
        )


class Storage(LambdaStorage):  # type: ignore[misc]
    """moto's storage, with version numbers that are never reused and aliases that are checked."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name=region_name, account_id=account_id)
        self._published: defaultdict[str, int] = defaultdict(int)

    def every(self) -> list[Function]:
        """Return every function's `$LATEST` and versions."""
        groups = list(self._functions.values())
        return [function for group in groups for function in (group["latest"], *group["versions"]) if function]

    def publish(self, name_or_arn: str, description: str | None) -> tuple[Function, bool]:
        """Freeze `$LATEST`; return the version, and whether it is new: what has not changed is not published again."""
        latest: Function = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
        check_settled(latest)
        group = self._functions[latest.function_name]
        previous: Function | None = group["versions"][-1] if group["versions"] else None
        if previous is not None and previous.published_from == latest.fingerprint():
            return previous, False
        self._published[latest.function_name] += 1
        version = latest.freeze(self._published[latest.function_name], description)
        group["versions"].append(version)
        self._arns[version.function_arn] = version
        return version, True

    def choose(self, name_or_arn: str, qualifier: str | None, draw: Callable[[], float]) -> Function:
        """Return the version that one invocation goes to; an alias with weights decides by `draw`."""
        name, qualifier = self.split_name(name_or_arn, qualifier)
        found: Function = self.get_function_by_name_with_qualifier(name, qualifier)
        alias = self._aliases.get(self.plain_arn(name), {}).get(qualifier or "")
        if alias is None:
            return found
        version: Function = self.get_function_by_name_with_qualifier(name, alias.choose_version(draw))
        return version

    def split_name(self, name_or_arn: str, qualifier: str | None) -> tuple[str, str | None]:
        """Return name and qualifier of `name`, `name:qualifier` or an ARN of either."""
        text = name_or_arn.partition(":function:")[2] if name_or_arn.startswith("arn:") else name_or_arn
        name, _, inner = text.partition(":")
        return name, inner or qualifier

    def plain_arn(self, name: str) -> str:
        """Return a function's ARN without a qualifier."""
        return f"arn:{self.partition}:lambda:{self.region_name}:{self.account_id}:function:{name}"

    def put_alias(  # noqa: PLR0917 - moto's signature
        self, name: str, function_name: str, function_version: str, description: str, routing_config: Any
    ) -> Alias:
        """Make an alias."""
        function = self._check_target(function_name, function_version, routing_config)
        check_name(name)
        aliases = self._aliases[self.plain_arn(function.function_name)]
        if name in aliases:
            raise ResourceConflict(f"Alias already exists: {aliases[name].arn}")
        alias = Alias(
            account_id=self.account_id,
            region=self.region_name,
            name=name,
            function_name=function.function_name,
            function_version=function_version,
            description=description or "",
            routing_config=routing_config,
        )
        aliases[name] = alias
        return alias

    def change_alias(
        self, name: str, function_name: str, *, version: str | None, description: str | None, routing: Any
    ) -> Alias:
        """Point an alias somewhere else."""
        alias: Alias = self.get_alias(name, self.split_name(function_name, None)[0])
        new_version = version or alias.function_version
        self._check_target(function_name, new_version, alias.routing_config if routing is None else routing)
        alias.update(description, new_version, routing)
        return alias

    def del_function(self, name_or_arn: str, qualifier: str | None = None) -> None:
        """Delete a function with its versions and aliases, or one version that no alias uses."""
        name, qualifier = self.split_name(name_or_arn, qualifier)
        if qualifier == "$LATEST":
            raise InvalidParameterValueException("$LATEST version cannot be deleted without deleting the function.")
        users = self._find_users(name, qualifier) if qualifier else []
        if users:
            raise ResourceConflict(f"Cannot delete version {qualifier}: the alias {', '.join(users)} points to it.")
        super().del_function(name, qualifier)
        if not qualifier:
            self._aliases.pop(self.plain_arn(name), None)
            self._published.pop(name, None)

    def all(self) -> Iterable[Function]:
        """Return every function and version, `$LATEST` with its qualified ARN."""
        found: list[Function] = []
        for group in list(self._functions.values()):
            latest = copy.copy(group["latest"])
            latest.function_arn = f"{latest.function_arn}:$LATEST"
            found += [latest, *group["versions"]]
        return found

    def _check_target(self, function_name: str, version: str, routing: Any) -> Function:
        check_version(version)
        check_routing(version, routing)
        for other in (routing or {}).get("AdditionalVersionWeights") or {}:
            self.get_function_by_name_or_arn_with_qualifier(function_name, other)
        found: Function = self.get_function_by_name_or_arn_with_qualifier(function_name, version)
        return found

    def _find_users(self, name: str, version: str | None) -> list[str]:
        aliases: dict[str, Alias] = self._aliases.get(self.plain_arn(name), {})
        return sorted(key for key, a in aliases.items() if version in {a.function_version, *a.weights})
