"""One object as a page, at the path of AWS's own console: what it says must not run in this origin."""

from __future__ import annotations

import mimetypes
from http import HTTPStatus

from localcloud.console.reply import Reply
from localcloud.storage import ObjectNotFound, get_object

# An object is data from outside: no script, no form, an origin of its own.
_POLICY = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; sandbox"
_SHOWN_INLINE = ("image/png", "text/html", "application/json", "text/plain")


def show_object(bucket: str, key: str, version_id: str | None = None) -> Reply:
    """Return an object, or one version of it; what a browser cannot show is offered for download."""
    try:
        content = get_object(bucket, key, version_id)
    except ObjectNotFound as error:
        return Reply.text(HTTPStatus.NOT_FOUND, f"there is no object {error}")
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    disposition = "inline" if kind in _SHOWN_INLINE else "attachment"
    return Reply(HTTPStatus.OK, kind, content, policy=_POLICY, headers=(("Content-Disposition", disposition),))
