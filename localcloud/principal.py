"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Principal:
    """The root of an account, one of its users, or a session of a role.

    Attributes
    ----------
    arn
        Of the root, the user or the session.
    account
        Account number.
    user, role
        Name of the user, or of the role whose session it is; both empty for the root.
    """

    arn: str
    account: str
    user: str = ""
    role: str = ""

    @property
    def is_root(self) -> bool:
        """Whether this is the owner, whom no policy binds."""
        return not self.user and not self.role
