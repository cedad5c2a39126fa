"""Aliases: a name that points to one version, or splits its invocations between two."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException, LambdaClientError
from moto.awslambda.models import LambdaAlias

_LATEST = "$LATEST"
_VERSION = re.compile(r"\$LATEST|[0-9]+")
_NAME = re.compile(r"(?![0-9]+$)[a-zA-Z0-9-_]+")


class Alias(LambdaAlias):  # type: ignore[misc]
    """An alias whose weights are acted on, and whose RevisionId changes with every update."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Share of invocations, between 0 and 1, that go to another version than the alias's own."""
        return (self.routing_config or {}).get("AdditionalVersionWeights") or {}

    def choose_version(self, draw: Callable[[], float]) -> str:
        """Return the version for one invocation; `draw` returns a number from 0 up to but not including 1."""
        point = draw()
        for version, weight in self.weights.items():
            if point < weight:
                return version
            point -= weight
        return str(self.function_version)

    def update(self, description: str | None, function_version: str | None, routing_config: Any) -> None:
        """Change what is given; what is not stays."""
        super().update(description, function_version, routing_config)
        self.revision_id = str(uuid.uuid4())

    def to_json(self) -> dict[str, Any]:
        """Return the AliasConfiguration structure of AWS's API."""
        found: dict[str, Any] = super().to_json()
        if not self.weights:
            del found["RoutingConfig"]
        return found


def check_name(name: str) -> None:
    """Refuse a name that AWS would refuse."""
    if not name or not _NAME.fullmatch(name):
        raise LambdaClientError(
            "ValidationException", f"Value '{name}' at 'name' must match {_NAME.pattern} and must not be a number"
        )


def check_version(version: str) -> None:
    """Refuse what is not the name of a version, for example another alias."""
    if not _VERSION.fullmatch(version or ""):
        raise LambdaClientError(
            "ValidationException", f"Value '{version}' at 'functionVersion' must match {_VERSION.pattern}"
        )


def check_routing(version: str, routing: Mapping[str, Any] | None) -> None:
    """Refuse weights that AWS would refuse.

    Raises
    ------
    InvalidParameterValueException
        For `$LATEST`, more than one additional version, or the alias's own version as the additional one.
    LambdaClientError
        `ValidationException`, for a weight that is not between 0 and 1, or a key that is not a version's number.
    """
    weights = (routing or {}).get("AdditionalVersionWeights") or {}
    if not weights:
        return
    if len(weights) > 1:
        raise InvalidParameterValueException("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other, weight in weights.items():
        _check_weight(other, weight)
        if _LATEST in {version, other}:
            message = "$LATEST is not supported for an alias pointing to more than 1 version"
            raise InvalidParameterValueException(message)
        if other == version:
            raise InvalidParameterValueException(
                f"Invalid function version {other}. "
                f"Function version {other} is already included in routing configuration."
            )


def _check_weight(version: str, weight: Any) -> None:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not _VERSION.fullmatch(version) or not number or not 0.0 <= weight <= 1.0:
        raise LambdaClientError(
            "ValidationException",
            f"Value '{{{version}={weight}}}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
            "keys are versions, values are between 0.0 and 1.0",
        )
