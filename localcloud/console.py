"""The two pages that Ratchet's links lead to, at the paths of AWS's own console: an object, and a training job."""

from __future__ import annotations

import html
import json
import mimetypes
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from localcloud.storage import ObjectNotFound, get_object

PREFIX = "/_localcloud/console"
# What an object says about itself must not run in this origin: it is data from outside.
_POLICY = "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; sandbox"
_OBJECT_HEADERS = [("Content-Security-Policy", _POLICY)]
_SHOWN_INLINE = ("image/png", "text/html", "application/json", "text/plain")
_PAGE = """<!doctype html><meta charset="utf-8"><title>localcloud</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1d2129}}
pre{{background:#f4f1ea;padding:1rem;overflow:auto;white-space:pre-wrap}}</style>{body}"""
_JOB_SCRIPT = """<h1 id="name"></h1><pre id="about"></pre><h2>Log</h2><pre id="log"></pre>
<script>
const name = location.hash.replace("#/jobs/", "");
document.getElementById("name").textContent = name || "no job named";
async function look() {
  const answer = await fetch("PREFIX/sagemaker/job?name=" + encodeURIComponent(name));
  const job = await answer.json();
  document.getElementById("about").textContent = JSON.stringify(job.about, null, 2);
  document.getElementById("log").textContent = job.lines.join("\\n");
  if (!job.ended) setTimeout(look, 2000);
}
look();
</script>"""

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
DescribeJob = Callable[[str], dict[str, Any]]


class Console:
    """A WSGI application for everything below `/_localcloud/console`.

    Parameters
    ----------
    describe_job
        Returns `about`, `lines` and `ended` of a training job; `KeyError` when there is none.
    """

    def __init__(self, describe_job: DescribeJob) -> None:
        self.describe_job = describe_job

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one GET."""
        path = str(environ.get("PATH_INFO", "")).removeprefix(PREFIX)
        query = {key: values[0] for key, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
        status, headers, body = self._answer(path, query)
        start_response(status, [*headers, ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")])
        return [body]

    def _answer(self, path: str, query: dict[str, str]) -> tuple[str, list[tuple[str, str]], bytes]:
        if path.startswith("/s3/object/"):
            return _object(path.removeprefix("/s3/object/"), query.get("prefix", ""))
        if path == "/sagemaker/home":
            body = _PAGE.format(body=_JOB_SCRIPT.replace("PREFIX", PREFIX))
            return "200 OK", [("Content-Type", "text/html; charset=utf-8")], body.encode()
        if path == "/sagemaker/job":
            return self._job(query.get("name", ""))
        return _not_found(f"there is no page {path}")

    def _job(self, name: str) -> tuple[str, list[tuple[str, str]], bytes]:
        try:
            found = self.describe_job(name)
        except KeyError:
            return _not_found(f"there is no training job {name}")
        return "200 OK", [("Content-Type", "application/json")], json.dumps(found, default=str).encode()


def _object(bucket: str, key: str) -> tuple[str, list[tuple[str, str]], bytes]:
    try:
        content = get_object(bucket, key)
    except ObjectNotFound:
        return _not_found(f"there is no object s3://{bucket}/{key}")
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    disposition = "inline" if kind in _SHOWN_INLINE else "attachment"
    headers = [("Content-Type", kind), ("Content-Disposition", disposition), *_OBJECT_HEADERS]
    return "200 OK", headers, content


def _not_found(message: str) -> tuple[str, list[tuple[str, str]], bytes]:
    body = _PAGE.format(body=f"<p>{html.escape(message)}</p>")
    return "404 Not Found", [("Content-Type", "text/html; charset=utf-8")], body.encode()
