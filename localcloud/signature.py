"""AWS Signature Version 4, read and computed: in the Authorization header, in a presigned link, over chunks.

The protocol: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and, for
chunks, https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html.
"""

from __future__ import annotations

import hashlib
import hmac
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_UNRESERVED = "-_.~"
_FIELD = re.compile(r"(Credential|SignedHeaders|Signature)=([^,\s]*)")


class Malformed(Exception):
    """A signature is there and cannot be read; the message says what is wrong."""


@dataclass(frozen=True)
class Signed:
    """A request as it was signed.

    Attributes
    ----------
    method
        Of HTTP.
    raw_path, query
        The path as it was sent; names and values of the query string, decoded, in their order.
    headers
        By their names in lower case.
    payload_sha256
        Digest of the body in hexadecimal digits, or one of the words that stand for it.
    """

    method: str
    raw_path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    payload_sha256: str


@dataclass(frozen=True)
class Claim:
    """What a request says about its signature.

    Attributes
    ----------
    key_id, date, region, service
        Credential and scope.
    timestamp
        When it was signed, as `20261124T230000Z`.
    signed_headers
        Names in lower case.
    signature
        Hexadecimal digits.
    token
        Session token, or an empty string.
    expires_seconds
        How long a presigned link holds; None for a signature in the header.
    """

    key_id: str
    date: str
    region: str
    service: str
    timestamp: str
    signed_headers: tuple[str, ...]
    signature: str
    token: str
    expires_seconds: int | None = None

    @property
    def scope(self) -> str:
        """The scope as it is signed."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_claim(headers: Mapping[str, str], query: tuple[tuple[str, str], ...]) -> Claim | None:
    """Return what a request claims, or None when it is not signed.

    Raises
    ------
    Malformed
        When the signature cannot be read, or is of another version.
    """
    if header := headers.get("authorization", "").strip():
        return _read_header(header, headers)
    named = dict(query)
    return _read_query(named) if "X-Amz-Signature" in named or "X-Amz-Credential" in named else None


def parse_query(raw: str) -> tuple[tuple[str, str], ...]:
    """Return the decoded names and values; a plus sign is itself, as in the signature."""
    pairs = (part.partition("=") for part in raw.split("&") if part)
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def is_genuine(claim: Claim, signed: Signed, secret: str) -> bool:
    """Whether whoever signed knew the secret."""
    text = "\n".join((ALGORITHM, claim.timestamp, claim.scope, _sha256(_canonical(claim, signed))))
    return hmac.compare_digest(sign(signing_key(secret, claim), text), claim.signature)


def signing_key(secret: str, claim: Claim) -> bytes:
    """The key that a secret gives for a day, a region and a service."""
    return _signing_key(secret, claim.date, claim.region, claim.service)


def sign(key: bytes, text: str) -> str:
    """Return the signature of a text in hexadecimal digits."""
    return hmac.new(key, text.encode("latin-1", "replace"), hashlib.sha256).hexdigest()


@lru_cache(maxsize=256)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _read_header(header: str, headers: Mapping[str, str]) -> Claim:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise Malformed(f"the authorization mechanism {algorithm[:40]!r} is not supported: use {ALGORITHM}")
    fields = dict(_FIELD.findall(rest))
    if set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise Malformed("Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters")
    timestamp = headers.get("x-amz-date", "")
    if not timestamp:
        raise Malformed("Authorization header requires existence of an 'X-Amz-Date' header")
    token = headers.get("x-amz-security-token", "")
    return _claim(fields["Credential"], timestamp, fields["SignedHeaders"], fields["Signature"], token)


def _read_query(named: Mapping[str, str]) -> Claim:
    wanted = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
    missing = [name for name in wanted if not named.get(name)]
    if missing or named["X-Amz-Algorithm"] != ALGORITHM:
        raise Malformed(f"a presigned request requires {', '.join(missing) or f'X-Amz-Algorithm={ALGORITHM}'}")
    _, credential, timestamp, signed_headers, signature = (named[name] for name in wanted)
    token = named.get("X-Amz-Security-Token", "")
    return _claim(credential, timestamp, signed_headers, signature, token, named.get("X-Amz-Expires", ""))


def _claim(  # noqa: PLR0917 - the fields of a signature
    credential: str, timestamp: str, signed_headers: str, signature: str, token: str, expires: str | None = None
) -> Claim:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request" or not re.fullmatch(r"\d{8}T\d{6}Z", timestamp):
        raise Malformed("the credential's scope or the date is malformed")
    if parts[1] != timestamp[:8]:
        raise Malformed("the credential's scope is of another day than the request")
    names = tuple(signed_headers.lower().split(";"))
    if "host" not in names:
        raise Malformed("'host' must be a signed header")
    if expires is not None and not (expires.isascii() and expires.isdigit() and 0 < int(expires[:9]) <= 604_800):
        raise Malformed("X-Amz-Expires must be a number of seconds between 1 and 604800")
    seconds = None if expires is None else int(expires)
    return Claim(parts[0], parts[1], parts[2], parts[3], timestamp, names, signature, token, seconds)


def _canonical(claim: Claim, signed: Signed) -> str:
    headers = "".join(f"{name}:{' '.join(signed.headers.get(name, '').split())}\n" for name in claim.signed_headers)
    pairs = sorted((_encode(name), _encode(value)) for name, value in signed.query if name != "X-Amz-Signature")
    query = "&".join(f"{name}={value}" for name, value in pairs)
    path = signed.raw_path or "/"
    if claim.service not in {"s3", "s3-object-lambda", "s3express"}:
        path = quote(_normal(path), safe="/" + _UNRESERVED)
    names = ";".join(claim.signed_headers)
    return "\n".join((signed.method, path, query, headers, names, signed.payload_sha256))


def _normal(path: str) -> str:
    """Without dots and double slashes: only S3 signs the path as it is."""
    found = posixpath.normpath(path).replace("//", "/")
    return found + "/" if path.endswith("/") and found != "/" else found


def _encode(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("latin-1", "replace")).hexdigest()
