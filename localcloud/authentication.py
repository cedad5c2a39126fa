"""Who may call: whoever signs with a key that this instance made.

A key is the root's, a user's of its IAM, or a session's of a role. The signature covers the request's line, the headers
that it names and the body; it holds for fifteen minutes with S3 and for five with the rest, as on AWS.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.core.request import PRESERVED_HEADER_NAMES_ENVIRON_KEY

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.chunk import seals_are_genuine
from localcloud.denial import Denial, deny
from localcloud.framing import SIGNED_CHUNKS, UNSIGNED_CHUNKS, BrokenBody, read_seals
from localcloud.keyring import Holder, Keyring
from localcloud.signature import (
    UNSIGNED,
    Claim,
    Malformed,
    Signed,
    is_genuine,
    parse_query,
    read_claim,
    signing_key,
)
from localcloud.upload import KEY as UPLOAD_KEY
from localcloud.upload import Upload

_PAYLOAD_HEADER = "x-amz-content-sha256"
_S3_WINDOW = timedelta(minutes=15)
_WINDOW = timedelta(minutes=5)

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Denied(Exception):
    """The caller is not known; the arguments say why."""

    def __init__(self, denial: Denial, detail: str = "") -> None:
        super().__init__(denial.value)
        self.denial = denial
        self.detail = detail


class Authentication:
    """Passes on what is signed with a known key, and notes whose it is.

    Parameters
    ----------
    keyring
        Knows the keys.
    clock
        The time now, in UTC.
    """

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Note who calls, or refuse."""
        try:
            exchange.principal = self._authenticate(exchange).principal
        except Denied as denied:
            _log.info("refused %s %s: %s", exchange.environ.get("REQUEST_METHOD"), exchange.path, denied)
            return tell(*deny(exchange.call, denied.denial, denied.detail))
        return then(exchange)

    def _authenticate(self, exchange: Exchange) -> Holder:
        raw_path, _, raw_query = _raw_uri(exchange.environ).partition("?")
        headers, query = read_headers(exchange.environ), parse_query(raw_query)
        try:
            claim = read_claim(headers, query)
        except Malformed as error:
            raise Denied(Denial.MALFORMED, str(error)) from error
        if claim is None:
            raise Denied(Denial.MISSING)
        holder = self._keyring.find(claim.key_id)
        if holder is None:
            raise Denied(Denial.UNKNOWN_KEY)
        _check_time(claim, self._clock())
        declared = headers.get(_PAYLOAD_HEADER) or _implied(claim, exchange)
        method = str(exchange.environ.get("REQUEST_METHOD", "GET"))
        if not is_genuine(claim, Signed(method, raw_path, query, headers, declared), holder.secret):
            raise Denied(Denial.MISMATCH)
        _check_session(claim, holder, self._clock())
        _check_body(claim, declared, exchange, holder)
        return holder


def read_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return a request's headers by their names in lower case."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    for name, spelling in environ.get(PRESERVED_HEADER_NAMES_ENVIRON_KEY, {}).items():
        headers[spelling.lower()] = str(environ[name])
    return headers


def _raw_uri(environ: Mapping[str, Any]) -> str:
    uri = str(environ.get("RAW_URI", "/"))
    return uri if uri.startswith("/") else "/" + uri.partition("://")[2].partition("/")[2]


def _implied(claim: Claim, exchange: Exchange) -> str:
    """What stands for the body when no header says it."""
    if claim.expires_seconds is not None and claim.service == "s3":
        return UNSIGNED
    return _digest(exchange)


def _digest(exchange: Exchange) -> str:
    """Return the SHA-256 of the body; a large one has been written to a file by now."""
    upload: Upload | None = exchange.environ.get(UPLOAD_KEY)
    return hashlib.sha256(exchange.call.body).hexdigest() if upload is None else upload.sha256


def _check_time(claim: Claim, now: datetime) -> None:
    try:
        signed = datetime.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise Denied(Denial.MALFORMED, "the date does not exist") from error
    window = _S3_WINDOW if claim.service == "s3" else _WINDOW
    if signed - now > window:
        raise Denied(Denial.SKEWED)
    if claim.expires_seconds is None:
        if now - signed > window:
            raise Denied(Denial.SKEWED)
    elif now > signed + timedelta(seconds=claim.expires_seconds):
        raise Denied(Denial.EXPIRED_LINK)


def _check_session(claim: Claim, holder: Holder, now: datetime) -> None:
    if not hmac.compare_digest(claim.token.encode(), holder.token.encode()):
        raise Denied(Denial.WRONG_SESSION)
    if holder.until is not None and now > holder.until:
        raise Denied(Denial.ENDED_SESSION)


def _check_body(claim: Claim, declared: str, exchange: Exchange, holder: Holder) -> None:
    """The signature covers what the header says of the body; this holds the body against the header."""
    if declared in {UNSIGNED, UNSIGNED_CHUNKS}:
        return
    if declared in SIGNED_CHUNKS:
        upload: Upload | None = exchange.environ.get(UPLOAD_KEY)
        try:
            seals = read_seals(exchange.call.body) if upload is None else upload.seals
            genuine = seals_are_genuine(claim, signing_key(holder.secret, claim), seals)
        except BrokenBody as error:
            raise Denied(Denial.MALFORMED, str(error)) from error
        if not genuine:
            raise Denied(Denial.MISMATCH)
    elif not hmac.compare_digest(_digest(exchange), declared):
        raise Denied(Denial.OTHER_BODY)
