"""Credentials of a role for what runs here, issued by this cloud's own STS."""

from __future__ import annotations

from moto.sts.models import sts_backends

# On AWS the SDK fetches new ones before they end. What stands in an environment cannot be renewed, so it does not end.
_VALID_SECONDS = 10 * 365 * 24 * 3600


def issue_credentials(account: str, *, region: str, session: str, role: str) -> dict[str, str]:
    """Return the variables that a process reads the role's credentials from."""
    assumed = sts_backends[account]["aws"].assume_role(
        region_name=region,
        role_session_name=session,
        role_arn=role,
        policy="",
        duration=_VALID_SECONDS,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": str(assumed.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(assumed.secret_access_key),
        "AWS_SESSION_TOKEN": str(assumed.session_token),
    }
