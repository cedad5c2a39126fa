"""Airflow over its REST API: trigger, look, and answer a waiting approval as a named person."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from ratchet.errors import ConflictError, NotFoundError, NotPermittedError, RatchetError, SpecError, UnavailableError

_TIMEOUT_SECONDS = 30
_BY_STATUS: Mapping[int, type[RatchetError]] = {
    400: SpecError,
    401: NotPermittedError,
    403: NotPermittedError,
    404: NotFoundError,
    409: ConflictError,
    422: SpecError,
}
_WHAT_TO_DO: Mapping[int, str] = {
    400: "mend what was sent",
    401: "check the name given with --as and RATCHET_AIRFLOW_PASSWORD",
    403: "ask somebody who may, or act as another person with --as",
    404: "`ratchet runs` lists what there is",
    409: "somebody was first: look again with `ratchet status`",
    422: "mend what was sent",
}


class Airflow:
    """One person's session with Airflow's API.

    Parameters
    ----------
    url
        Base URL of the API server.
    user, password
        Who speaks; the token is fetched at the first call.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self.user = user
        self._password = password
        self._token = ""

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Start a run; return its id."""
        body = {"conf": dict(conf), "logical_date": None}
        return str(self._call("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def runs(self, dag: str = "~", limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest runs first; of all DAGs, those of pipelines."""
        only = "&dag_id_prefix_pattern=retrain_" if dag == "~" else ""
        answer = self._call("GET", f"/dags/{dag}/dagRuns?order_by=-run_after&limit={limit}{only}")
        return list(answer["dag_runs"])

    def run_state(self, dag: str, run: str) -> str:
        """Return the state of one run."""
        return str(self._call("GET", f"/dags/{dag}/dagRuns/{_quoted(run)}")["state"])

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return a run's task instances."""
        return list(self._call("GET", f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances")["task_instances"])

    def left(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """Return what a task left for the ones after it, or None."""
        try:
            path = f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
            return self._call("GET", path)["value"]
        except NotFoundError:
            return None

    def waiting(self, dag: str = "~", run: str = "~") -> list[dict[str, Any]]:
        """Return the approvals that nobody has answered yet."""
        path = f"/dags/{dag}/dagRuns/{_quoted(run)}/hitlDetails?response_received=false&limit=100"
        return list(self._call("GET", path)["hitl_details"])

    def answer(self, waiting: Mapping[str, Any], *, approve: bool, digest: str, comment: str) -> dict[str, Any]:
        """Answer a waiting approval in this person's name."""
        task = waiting["task_instance"]
        path = (
            f"/dags/{task['dag_id']}/dagRuns/{_quoted(task['dag_run_id'])}"
            f"/taskInstances/{task['task_id']}/{task['map_index']}/hitlDetails"
        )
        body = {
            "chosen_options": ["Approve" if approve else "Reject"],
            "params_input": {"digest": digest, "comment": comment},
        }
        return self._call("PATCH", path, body)

    def task_log(self, dag: str, run: str, task: str, try_number: int) -> list[str]:
        """Return a task's log lines."""
        path = f"/dags/{dag}/dagRuns/{_quoted(run)}/taskInstances/{task}/logs/{try_number}?full_content=true"
        content = self._call("GET", path).get("content", [])
        return [_log_line(entry) for entry in content]

    def version(self) -> str:
        """Return Airflow's version."""
        return str(self._call("GET", "/version")["version"])

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not self._token:
            credentials = {"username": self.user, "password": self._password}
            self._token = self._send("POST", f"{self.url}/auth/token", credentials)["access_token"]
        return self._send(method, f"{self.url}/api/v2{path}", body)

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        try:
            request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - settings
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - from settings
                return dict(json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            raise _translated(error, method, url) from error
        except (ValueError, TypeError) as error:
            raise UnavailableError(
                f"what answers at {self.url} is not Airflow's API; set RATCHET_AIRFLOW_URL to Airflow's address"
            ) from error
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            raise UnavailableError(
                f"Airflow at {self.url} does not answer ({error}); is it up? `ratchet up` starts a laptop's, "
                "RATCHET_AIRFLOW_URL points elsewhere"
            ) from error


def _translated(error: urllib.error.HTTPError, method: str, url: str) -> RatchetError:
    try:
        detail = json.loads(error.read())["detail"]
    except (ValueError, TypeError, KeyError, OSError, http.client.HTTPException):
        detail = error.reason
    kind = _BY_STATUS.get(error.code, UnavailableError)
    path = urllib.parse.urlsplit(url).path
    advice = _WHAT_TO_DO.get(error.code, "try again; if it stays so, see the log of Airflow's API server")
    return kind(f"Airflow answered {error.code} to {method} {path}: {detail}; {advice}")


def _quoted(run: str) -> str:
    return run if run == "~" else urllib.parse.quote(run, safe="")


def _log_line(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    line = f"{entry.get('timestamp') or ''} {entry.get('level') or ''} {entry.get('event', '')}".strip()
    # What went wrong stands beside the event; its first error is the one that the operator raised.
    causes = entry.get("error_detail") or ()
    return line + "".join(f"\n{cause.get('exc_type')}: {cause.get('exc_value')}" for cause in causes[:1])
