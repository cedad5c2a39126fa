"""The console's routes: one page with its script and style, data as JSON, and objects. Only GET, only this origin."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.console.alarm_view import show_alarm
from localcloud.console.function_view import show_function
from localcloud.console.gateway import Gateway
from localcloud.console.job_view import show_job
from localcloud.console.object_page import show_object
from localcloud.console.overview import LISTS, show_overview
from localcloud.console.reply import Reply
from localcloud.console.service_view import show_service
from localcloud.console.store_view import show_bucket, show_table

PREFIX = "/_localcloud/console"
_STATIC = Path(__file__).with_name("static")
_FILES = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
# The paths of AWS's own console that links lead to; the page finds out from the address what to show.
_PAGES = ("/sagemaker/home", "/lambda/home", "/cloudwatch/home", "/ecs/v2/clusters/", "/s3/buckets/", "/dynamodbv2/")

Book = Callable[[], list[dict[str, Any]]]
ShowOne = Callable[[Gateway, tuple[str, ...], Mapping[str, str]], dict[str, Any]]
_DETAILS: Mapping[str, tuple[ShowOne, tuple[int, ...]]] = {
    "jobs": (show_job, (1, 2)),
    "services": (show_service, (2,)),
    "functions": (show_function, (1,)),
    "tables": (show_table, (1,)),
    "buckets": (show_bucket, (1,)),
    "alarms": (show_alarm, (1,)),
}
_log = logging.getLogger(__name__)

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Console:
    """A WSGI application for everything below `/_localcloud/console`.

    Parameters
    ----------
    gateway
        The way to the services.
    books
        What localcloud itself keeps lists of, by the names of their pages: faults and calls.
    """

    def __init__(self, gateway: Gateway, books: Mapping[str, Book]) -> None:
        self._gateway = gateway
        self._books = books

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        reply = self._answer(environ)
        start_response(f"{reply.status.value} {reply.status.phrase}", reply.all_headers())
        return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else reply.body]

    def _answer(self, environ: Mapping[str, Any]) -> Reply:
        if environ.get("REQUEST_METHOD", "GET") not in {"GET", "HEAD"}:
            return Reply.text(HTTPStatus.METHOD_NOT_ALLOWED, "the console reads, and changes nothing")
        path = str(environ.get("PATH_INFO", "")).removeprefix(PREFIX)
        query = {key: values[0] for key, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
        if path.startswith("/s3/object/"):
            return show_object(path.removeprefix("/s3/object/"), query.get("prefix", ""), query.get("versionId"))
        if path.startswith("/static/"):
            return _file(path.removeprefix("/static/"))
        if path.startswith("/api/"):
            return self._data(environ, path.removeprefix("/api/"), query)
        if path in {"", "/"} or path.startswith(_PAGES):
            return Reply(HTTPStatus.OK, "text/html; charset=utf-8", (_STATIC / "index.html").read_bytes())
        return Reply.text(HTTPStatus.NOT_FOUND, f"there is no page {path}")

    def _data(self, environ: Mapping[str, Any], path: str, query: Mapping[str, str]) -> Reply:
        # A browser says where a request comes from; a page of another origin gets nothing, whatever it asks for.
        if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in {"same-origin", "none"}:
            return Reply.json(HTTPStatus.FORBIDDEN, {"error": "only the console's own page may ask"})
        view, *parts = [unquote(part) for part in path.split("/")]
        gateway = self._gateway.within(query["region"]) if "region" in query else self._gateway
        try:
            book = self._books.get(path)
            found = _read(gateway, view, tuple(parts), query) if book is None else {path: book()}
        except (LookupError, ClientError, BotoCoreError, ValueError) as error:
            _log.debug("the console cannot show %s: %s", path, error)
            return Reply.json(HTTPStatus.NOT_FOUND, {"error": f"{view} {'/'.join(parts)}: {error}"})
        return Reply.json(HTTPStatus.OK, found)


def _read(gateway: Gateway, view: str, parts: tuple[str, ...], query: Mapping[str, str]) -> dict[str, Any]:
    if view == "overview":
        return show_overview(gateway, query)
    if not parts:
        return LISTS[view](gateway, query)
    show, counts = _DETAILS[view]
    if len(parts) not in counts:
        raise LookupError("there is no such page")
    return show(gateway, parts, query)


def _file(name: str) -> Reply:
    if name not in _FILES:
        return Reply.text(HTTPStatus.NOT_FOUND, f"there is no file {name}")
    return Reply(HTTPStatus.OK, _FILES[name], (_STATIC / name).read_bytes())
