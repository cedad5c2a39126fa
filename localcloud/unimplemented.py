"""What moto does not do is told by the operation's name, never as a failure of the server.

moto raises `NotImplementedError` for some operations, has no route for others, and stumbles (`KeyError` and its like)
over parameters that it did not expect. A client would retry a 500; it must not retry these.
"""

from __future__ import annotations

import logging
from pathlib import PurePath
from traceback import walk_tb

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.refusal import Refusal, refuse
from localcloud.request import Call, form_of
from localcloud.shelf import ModelShelf

_NO_ROUTE = (b"<!doctype html>\n<html lang=en>\n<title>404", b"<!doctype html>\n<html lang=en>\n<title>405")
_PROJECTS = frozenset({"moto", "localcloud"})

_log = logging.getLogger(__name__)


class Unimplemented:
    """A step around moto.

    Parameters
    ----------
    shelf
        Models that name the operations.
    """

    def __init__(self, shelf: ModelShelf) -> None:
        self._shelf = shelf

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Pass the call on; tell what moto could not do with it."""
        try:
            answer = then(exchange)
        except NotImplementedError:
            return tell(*self._lacking(exchange.call))
        except Exception as error:
            if _is_ours(error):
                raise
            _log.info("moto fails at %s", exchange.call.target or exchange.call.path, exc_info=True)
            return tell(*self._stumbled(exchange.call, error))
        return tell(*self._lacking(exchange.call)) if _has_no_route(exchange.call, answer) else answer

    def _lacking(self, call: Call) -> Refusal:
        name = self._name(call)
        if not name:
            return _unknown(call)
        message = f"localcloud does not implement {name}"
        return refuse(call, "501 Not Implemented", "NotImplemented", message)

    def _stumbled(self, call: Call, error: Exception) -> Refusal:
        message = (
            f"localcloud does not implement {self._name(call) or call.service} with these parameters: moto fails with "
            f"{type(error).__name__}: {error}"
        )
        return refuse(call, "501 Not Implemented", "NotImplemented", message)

    def _name(self, call: Call) -> str:
        placed = self._shelf.find(call)
        return f"{call.service}:{placed[1].operation.name}" if placed else ""


def _unknown(call: Call) -> Refusal:
    """No model knows the operation, so AWS would not either."""
    if call.service == "s3":
        message = "The specified method is not allowed against this resource."
        return refuse(call, "405 Method Not Allowed", "MethodNotAllowed", message)
    if form := form_of(call):
        message = f"The action {form.get('Action', '')} is not valid for this web service."
        return refuse(call, "400 Bad Request", "InvalidAction", message)
    asked = call.target or f"{call.method} {call.path}"
    return refuse(call, "404 Not Found", "UnknownOperationException", f"{call.service} has no operation {asked}")


def _has_no_route(call: Call, answer: Answer) -> bool:
    if not answer.status.startswith(("404", "405")) or call.method == "HEAD":
        return False
    body = b"".join(answer.body)
    return body.startswith(_NO_ROUTE) or (not body and (call.service != "s3" or call.method == "PUT"))


def _is_ours(error: BaseException) -> bool:
    """Whether the failure began in localcloud's own code, by the last frame that is moto's or ours."""
    files = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    for file in reversed(files):
        found = _PROJECTS.intersection(PurePath(file).parts)
        if found:
            return "moto" not in found
    return True
