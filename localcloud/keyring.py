"""Who a key belongs to: the root of this instance, a user of its IAM, or a session of a role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.sts.models import STSBackend, sts_backends

from localcloud.access import AccessKey
from localcloud.backend import every_backend
from localcloud.principal import Principal

_PARTITION = "aws"


@dataclass(frozen=True)
class Holder:
    """A key's secret, the token that has to come with it, and when it ends."""

    principal: Principal
    secret: str
    token: str = ""
    until: datetime | None = None


class Keyring:
    """Finds the holder of a key.

    Parameters
    ----------
    root
        The key of this instance's owner, who may do everything.
    """

    def __init__(self, root: AccessKey) -> None:
        self._root = root
        self._sessions: dict[str, Holder] = {}

    def find(self, key_id: str) -> Holder | None:
        """Return who holds a key, or None when nobody does."""
        if key_id == self._root.id:
            account = DEFAULT_ACCOUNT_ID
            return Holder(Principal(f"arn:aws:iam::{account}:root", account), self._root.secret)
        return _find_user(key_id) if key_id.startswith("AKIA") else self._find_session(key_id)

    def _find_session(self, key_id: str) -> Holder | None:
        """Each session is looked for once: moto keeps them in a list that only grows."""
        if key_id not in self._sessions:
            found = next((session for session in _sessions() if session.access_key_id == key_id), None)
            if found is None:
                return None
            self._sessions[key_id] = _holder_of_session(found)
        return self._sessions[key_id]


def _sessions() -> Iterator[Any]:
    """Every session of every account, the latest first."""
    for backend in every_backend(sts_backends, STSBackend):
        yield from reversed(backend.assumed_roles)


def _find_user(key_id: str) -> Holder | None:
    for number, account in list(iam_backends.items()):
        for user in list(account[_PARTITION].users.values()):
            for key in user.access_keys:
                if key.access_key_id == key_id and key.status == "Active":
                    principal = Principal(user.arn, number, user=user.name)
                    return Holder(principal, key.secret_access_key)
    return None


def _holder_of_session(session: Any) -> Holder:
    role = session.role_arn.rsplit("/", 1)[-1]
    principal = Principal(session.arn, session.account_id, role=role)
    return Holder(principal, session.secret_access_key, session.session_token, session.expiration.replace(tzinfo=UTC))
