"""How AWS says that it does not know a caller: each family of services has its own words for the same thing."""

from __future__ import annotations

import re
from dataclasses import replace
from enum import Enum

from localcloud.refusal import Refusal, refuse
from localcloud.request import Call

_REST_PATH = re.compile(r"/\d{4}-\d{2}-\d{2}/")  # how paths of REST-JSON services begin
_FORM = "application/x-www-form-urlencoded"
_STATUS = {400: "400 Bad Request", 401: "401 Unauthorized", 403: "403 Forbidden"}

_INVALID = "The security token included in the request is invalid."
_ENDED = "The security token included in the request is expired"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_SKEWED = "The difference between the request time and the current time is too large."
_NOT_VALIDATED = "AWS was not able to validate the provided access credentials"


class Denial(Enum):
    """Why a caller is not known."""

    MISSING = "no signature"
    MALFORMED = "a signature that cannot be read"
    UNKNOWN_KEY = "no such key"
    WRONG_SESSION = "not the session's token"
    ENDED_SESSION = "the session has ended"
    MISMATCH = "another secret, or another request"
    SKEWED = "signed at another time"
    EXPIRED_LINK = "the presigned link has ended"
    OTHER_BODY = "another body than was signed"


_Told = tuple[int, str, str]
_S3: dict[Denial, _Told] = {
    Denial.MISSING: (403, "AccessDenied", "Access Denied"),
    Denial.MALFORMED: (400, "AuthorizationHeaderMalformed", "The authorization header is malformed"),
    Denial.UNKNOWN_KEY: (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    ),
    Denial.WRONG_SESSION: (400, "InvalidToken", "The provided token is malformed or otherwise invalid."),
    Denial.ENDED_SESSION: (400, "ExpiredToken", "The provided token has expired."),
    Denial.MISMATCH: (403, "SignatureDoesNotMatch", _MISMATCH),
    Denial.SKEWED: (403, "RequestTimeTooSkewed", _SKEWED),
    Denial.EXPIRED_LINK: (403, "AccessDenied", "Request has expired"),
    Denial.OTHER_BODY: (
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    ),
}
_QUERY: dict[Denial, _Told] = {
    Denial.MISSING: (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    Denial.MALFORMED: (400, "IncompleteSignature", "The request signature does not conform to AWS standards"),
    Denial.UNKNOWN_KEY: (403, "InvalidClientTokenId", _INVALID),
    Denial.WRONG_SESSION: (403, "InvalidClientTokenId", _INVALID),
    Denial.ENDED_SESSION: (403, "ExpiredToken", _ENDED),
    Denial.MISMATCH: (403, "SignatureDoesNotMatch", _MISMATCH),
    Denial.SKEWED: (403, "SignatureDoesNotMatch", f"Signature expired or not yet current. {_SKEWED}"),
}
_JSON: dict[Denial, _Told] = {
    Denial.MISSING: (400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    Denial.MALFORMED: (400, "IncompleteSignatureException", "The request signature does not conform to AWS standards"),
    Denial.UNKNOWN_KEY: (400, "UnrecognizedClientException", _INVALID),
    Denial.WRONG_SESSION: (400, "UnrecognizedClientException", _INVALID),
    Denial.ENDED_SESSION: (400, "ExpiredTokenException", _ENDED),
    Denial.MISMATCH: (400, "InvalidSignatureException", _MISMATCH),
    Denial.SKEWED: (400, "InvalidSignatureException", f"Signature expired or not yet current. {_SKEWED}"),
}
_EC2: dict[Denial, _Told] = {
    Denial.MISSING: (403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
    Denial.MALFORMED: (401, "AuthFailure", _NOT_VALIDATED),
    Denial.UNKNOWN_KEY: (401, "AuthFailure", _NOT_VALIDATED),
    Denial.WRONG_SESSION: (401, "AuthFailure", _NOT_VALIDATED),
    Denial.ENDED_SESSION: (400, "RequestExpired", "Request has expired."),
    Denial.MISMATCH: (401, "AuthFailure", _NOT_VALIDATED),
    Denial.SKEWED: (400, "RequestExpired", "Request has expired."),
}
_LIKE = {Denial.EXPIRED_LINK: Denial.SKEWED, Denial.OTHER_BODY: Denial.MISMATCH}


def deny(call: Call, denial: Denial, detail: str = "") -> Refusal:
    """Return the refusal in the words of the service that was called.

    Parameters
    ----------
    call
        What is refused.
    denial
        Why.
    detail
        What is wrong with the signature, for the message.
    """
    call = _named(call) if denial in {Denial.MISSING, Denial.MALFORMED} else call
    table = _table(call)
    status, code, message = table.get(denial) or table[_LIKE[denial]]
    rest_json = table is _JSON and not call.target
    return refuse(call, _STATUS[403 if rest_json else status], code, f"{message}: {detail}" if detail else message)


def _table(call: Call) -> dict[Denial, _Told]:
    if call.service == "ec2":
        return _EC2
    if call.service == "s3":
        return _S3
    return _QUERY if call.content_type == _FORM and not call.target else _JSON


def _named(call: Call) -> Call:
    """Give an unsigned call, which names no service, one of the right family."""
    if call.service == "s3" and (call.target or call.content_type == _FORM or _REST_PATH.match(call.path)):
        return replace(call, service="unknown")
    return call
