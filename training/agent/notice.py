"""The two-minute notice of EC2: the machine asks its metadata service whether its Spot capacity is taken back."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

_PAUSE_SECONDS = 3
_DEFAULT = "http://169.254.169.254"


class Metadata:
    """The instance metadata service, version 2."""

    def __init__(self) -> None:
        self._base = (os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _DEFAULT).rstrip("/")

    def find(self, path: str) -> str:
        """What a path below `/latest/meta-data/` holds; empty when there is none."""
        try:
            token = self._ask("/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"})
            return self._ask("/latest/meta-data/" + path, "GET", {"X-aws-ec2-metadata-token": token})
        except (urllib.error.URLError, OSError):
            return ""

    def is_taken_back(self) -> bool:
        """Whether the notice of an interruption has come."""
        return bool(self.find("spot/instance-action"))

    def _ask(self, path: str, method: str, headers: "dict[str, str]") -> str:
        request = urllib.request.Request(self._base + path, method=method, headers=headers)  # noqa: S310 - http only
        with urllib.request.urlopen(request, timeout=_PAUSE_SECONDS) as answer:  # noqa: S310
            return str(answer.read().decode("utf-8"))
