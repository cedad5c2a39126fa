"""What an instance may know of itself, taken from moto's record of it and from IAM."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.types import Base64EncodedString
from moto.iam.models import iam_backends

from localcloud.credentials import issue_credentials
from localcloud.engines.ec2_metadata_tree import Facts
from localcloud.engines.ec2_user_data import decode_user_data

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_VALID = timedelta(hours=6)
_RENEWED_BEFORE = timedelta(minutes=15)


class FactFinder:
    """Looks things up each time, for tags, profile and options can change; credentials are kept while they are good."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._lock = threading.Lock()
        self._credentials: tuple[str, datetime, Mapping[str, Any]] | None = None
        self._spot_action: dict[str, str] | None = None

    def find(self) -> Facts:
        """Return what the metadata service shows now."""
        instance = self._instance
        arn, role = self._role()
        return Facts(
            instance_id=instance.id,
            image_id=instance.image_id,
            instance_type=instance.instance_type,
            region=instance.region_name,
            zone=instance.availability_zone or f"{instance.region_name}a",
            account=instance.owner_id,
            address=instance.private_ip,
            host_name=instance.private_dns_name,
            life_cycle=instance.lifecycle or "on-demand",
            reservation_id=getattr(instance, "reservation_id", ""),
            launch_index=int(instance.ami_launch_index),
            user_data=decode_user_data(self.user_data()),
            profile_arn=arn,
            role=role.rsplit("/", 1)[-1] if role else None,
            credentials=self._credentials_of(role) if role else None,
            tags=self._tags() if instance.metadata_options.instance_metadata_tags == "enabled" else None,
            spot_action=self._spot_action,
            security_groups=tuple(group.name for group in instance.security_groups),
        )

    def user_data(self) -> str | bytes | None:
        """Return the user data as the API has it."""
        found: Any = self._instance.user_data
        content: str | bytes | None = found.as_bytes() if isinstance(found, Base64EncodedString) else found
        return content

    def needs_token(self) -> bool:
        """Whether the instance insists on version 2 of the service."""
        return bool(self._instance.metadata_options.http_tokens == "required")

    def warn(self, action: str, seconds: float) -> dict[str, str]:
        """Show the notice of an interruption from now on, and return it."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        self._spot_action = {"action": action, "time": at.strftime(_TIME)}
        return self._spot_action

    def forget_warning(self) -> None:
        """Show no notice any more."""
        self._spot_action = None

    def _tags(self) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self._instance.get_tags() if not tag["key"].startswith("aws:")}

    def _role(self) -> tuple[str | None, str | None]:
        """Return the ARNs of the instance profile and of its role."""
        profile = self._instance.iam_instance_profile
        if not profile:
            return None, None
        arn = str(profile["Arn"])
        for known in iam_backends[self._instance.owner_id]["aws"].get_instance_profiles():
            if known.arn == arn and known.roles:
                return arn, str(known.roles[0].arn)
        return arn, None

    def _credentials_of(self, role: str) -> Mapping[str, Any]:
        now = datetime.now(UTC)
        with self._lock:
            if self._credentials is None or self._credentials[0] != role or self._credentials[1] < now:
                self._credentials = (role, now + _VALID - _RENEWED_BEFORE, self._issue(role, now))
            return self._credentials[2]

    def _issue(self, role: str, now: datetime) -> Mapping[str, Any]:
        instance = self._instance
        issued = issue_credentials(instance.owner_id, region=instance.region_name, session=instance.id, role=role)
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": now.strftime(_TIME),
            "AccessKeyId": issued["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": issued["AWS_SECRET_ACCESS_KEY"],
            "Token": issued["AWS_SESSION_TOKEN"],
            "Expiration": (now + _VALID).strftime(_TIME),
        }
