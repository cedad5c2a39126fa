"""`/_localcloud/faults`: puts faults in force, shows them with how often each has struck, and takes them back."""

from __future__ import annotations

import json

from pydantic import ValidationError

from localcloud.chain import Answer, Exchange, Next, tell
from localcloud.fault import Fault
from localcloud.faultbook import FaultBook

PATH = "/_localcloud/faults"


class FaultPage:
    """Answers everything at the path and below it."""

    def __init__(self, book: FaultBook) -> None:
        self._book = book

    def __call__(self, exchange: Exchange, then: Next) -> Answer:
        """Answer, or pass on what is asked elsewhere."""
        if exchange.path != PATH and not exchange.path.startswith(f"{PATH}/"):
            return then(exchange)
        name = exchange.path[len(PATH) + 1 :]
        method = exchange.environ.get("REQUEST_METHOD")
        if method == "GET" and not name:
            return _say("200 OK", {"faults": self._book.describe()})
        if method == "POST" and not name:
            return self._add(exchange.call.body)
        if method == "DELETE":
            return self._remove(name)
        return _say("405 Method Not Allowed", {"error": f"{method} is not for {exchange.path}"})

    def _add(self, body: bytes) -> Answer:
        try:
            fault = Fault.model_validate_json(body)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, entry['loc'])) or 'fault'}: {entry['msg']}"
                for entry in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            return _say("400 Bad Request", {"error": "; ".join(problems)})
        return _say("201 Created", {"id": self._book.add(fault)})

    def _remove(self, name: str) -> Answer:
        if not name:
            return _say("200 OK", {"removed": self._book.clear()})
        try:
            self._book.remove(name)
        except KeyError:
            return _say("404 Not Found", {"error": f"there is no fault {name}"})
        return _say("200 OK", {"removed": 1})


def _say(status: str, content: dict[str, object]) -> Answer:
    return tell(status, {}, json.dumps(content).encode())
