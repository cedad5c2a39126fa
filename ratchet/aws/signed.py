"""Signed HTTP calls to what no client of boto3 knows: an endpoint's own interface."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ratchet.errors import NotPermittedError, UnavailableError

_TIMEOUT_SECONDS = 30


def send_signed(
    method: str, url: str, content: Mapping[str, Any] | None = None, *, region: str, key: tuple[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """Send JSON, signed as AWS's calls are; return the status and the JSON that comes back.

    Parameters
    ----------
    method, url
        Of HTTP.
    content
        The body; None for none.
    region
        Region of the signature.
    key
        Access key id and secret; by default those that boto3 finds.

    Raises
    ------
    NotPermittedError
        When there is no key.
    UnavailableError
        When nobody answers, or not in JSON.
    """
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import HTTPClientError
    from botocore.httpsession import URLLib3Session

    body = b"" if content is None else json.dumps(content).encode()
    request = AWSRequest(method=method, url=url, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(_credentials(key), "localcloud", region).add_auth(request)
    try:
        answer = URLLib3Session(timeout=_TIMEOUT_SECONDS, proxies={}).send(request.prepare())
        found = json.loads(answer.content)
    except (HTTPClientError, ValueError) as error:
        raise UnavailableError(f"{url} does not answer: {error}") from error
    return int(answer.status_code), found if isinstance(found, dict) else {"answer": found}


def _credentials(key: tuple[str, str] | None) -> Any:
    import boto3
    from botocore.credentials import Credentials

    if key is not None:
        return Credentials(*key)
    found = boto3.session.Session().get_credentials()
    if found is None:
        raise NotPermittedError("no access key is known: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    return found.get_frozen_credentials()
