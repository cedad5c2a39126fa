"""Client tokens of RunInstances: the same token and parameters give the same instances.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError

_NOT_COMPARED = frozenset({"ClientToken", "DryRun"})


class TokenBook:
    """Remembers what each token has started. Used under EC2's lock."""

    def __init__(self) -> None:
        self._started: dict[str, tuple[str, Any]] = {}

    def recall(self, request: Mapping[str, Any]) -> Any | None:
        """Return what an earlier request with the token has started; None for a new token, or for none.

        Raises
        ------
        EC2ClientError
            `IdempotentParameterMismatch` when the earlier request had other parameters.
        """
        token = request.get("ClientToken")
        if not token or token not in self._started:
            return None
        digest, started = self._started[token]
        if digest != _digest(request):
            raise EC2ClientError(
                "IdempotentParameterMismatch",
                "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            )
        return started

    def remember(self, request: Mapping[str, Any], started: Any) -> None:
        """Note what a request has started."""
        if token := request.get("ClientToken"):
            self._started[token] = (_digest(request), started)


def _digest(request: Mapping[str, Any]) -> str:
    compared = {key: value for key, value in request.items() if key not in _NOT_COMPARED}
    return hashlib.sha256(json.dumps(compared, sort_keys=True, default=str).encode()).hexdigest()
