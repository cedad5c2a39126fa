"""Airflow's client against a real server on the loopback address: tokens, paths, and errors of our own tree."""

from __future__ import annotations

import socket

import pytest
from cli_world import TOKEN

from ratchet.cli.airflow import Airflow
from ratchet.errors import ConflictError, NotFoundError, NotPermittedError, SpecError, UnavailableError

RUN = "asset_triggered__2030-01-01T00:00:00+00:00"
QUOTED = "asset_triggered__2030-01-01T00%3A00%3A00%2B00%3A00"


@pytest.fixture
def airflow(server) -> Airflow:
    return Airflow(server.url, "alice", "secret")


def test_fetches_one_token_and_shows_it_at_every_call(server, airflow):
    server.tell("GET", "/version", {"version": "3.3.0"})
    assert [airflow.version(), airflow.version()] == ["3.3.0", "3.3.0"]
    assert server.seen[0].body == {"username": "alice", "password": "secret"}
    assert [seen.path for seen in server.seen] == ["/auth/token", "/api/v2/version", "/api/v2/version"]
    assert {seen.authorization for seen in server.seen[1:]} == {f"Bearer {TOKEN}"}


def test_starts_a_run_with_its_form(server, airflow):
    server.tell("POST", "/dags/retrain_digits/dagRuns", {"dag_run_id": "manual__1"})
    assert airflow.trigger("retrain_digits", {"force": True}) == "manual__1"
    assert server.last("POST").body == {"conf": {"force": True}, "logical_date": None}


def test_quotes_run_ids_in_addresses(server, airflow):
    server.tell("GET", f"/dags/d/dagRuns/{QUOTED}/taskInstances", {"task_instances": [{"task_id": "train"}]})
    server.tell("GET", f"/dags/d/dagRuns/{QUOTED}", {"state": "success"})
    assert airflow.tasks("d", RUN) == [{"task_id": "train"}]
    assert airflow.run_state("d", RUN) == "success"


def test_answers_a_gate_with_the_digest_that_was_seen(server, airflow):
    gate = {"task_instance": {"dag_id": "d", "dag_run_id": RUN, "task_id": "approve", "map_index": -1}}
    server.tell("PATCH", f"/dags/d/dagRuns/{QUOTED}/taskInstances/approve/-1/hitlDetails", {"responded": True})
    airflow.answer(gate, approve=False, digest="d1", comment="no")
    body = {"chosen_options": ["Reject"], "params_input": {"digest": "d1", "comment": "no"}}
    assert server.last("PATCH").body == body


def test_takes_what_a_task_did_not_leave_for_nothing(airflow):
    assert airflow.left("d", RUN, "train") is None


def test_writes_log_entries_as_lines(server, airflow):
    entries = [{"timestamp": "t", "level": "info", "event": "epoch 1"}, {"event": "bare"}, "plain"]
    server.tell("GET", f"/dags/d/dagRuns/{QUOTED}/taskInstances/train/logs/1", {"content": entries})
    assert airflow.task_log("d", RUN, "train", 1) == ["t info epoch 1", "bare", "plain"]


@pytest.mark.parametrize(
    ("status", "kind", "advice"),
    [
        (400, SpecError, "mend"),
        (401, NotPermittedError, "RATCHET_AIRFLOW_PASSWORD"),
        (403, NotPermittedError, "--as"),
        (404, NotFoundError, "ratchet runs"),
        (409, ConflictError, "look again"),
        (422, SpecError, "mend"),
        (500, UnavailableError, "log of Airflow's API server"),
        (503, UnavailableError, "try again"),
    ],
)
@pytest.mark.parametrize("body", [{"detail": "the cause"}, ["a list"], b"<html>no JSON</html>", {"other": 1}])
def test_says_what_airflow_refused_and_what_to_do(server, airflow, status, kind, advice, body):
    server.tell("GET", "/version", body, status)
    with pytest.raises(kind) as caught:
        airflow.version()
    assert f"Airflow answered {status} to GET /api/v2/version: " in str(caught.value)
    assert advice in str(caught.value)
    assert type(caught.value) is kind
    if body == {"detail": "the cause"}:
        assert "the cause" in str(caught.value)


def test_a_wrong_password_is_no_permission(server, airflow):
    server.tell("POST", "/auth/token", {"detail": "Invalid credentials"}, 401)
    with pytest.raises(NotPermittedError, match="Invalid credentials"):
        airflow.version()


@pytest.mark.parametrize("body", [b"<html>another program</html>", b"[1]", b"\xff\xfe"])
def test_says_so_when_another_program_answers_at_the_port(server, airflow, body):
    server.tell("GET", "/version", body)
    with pytest.raises(UnavailableError, match="RATCHET_AIRFLOW_URL"):
        airflow.version()


@pytest.mark.parametrize("url", ["localhost:1", "nonsense", "ftp:///x"])
def test_says_so_when_the_address_makes_no_sense(url):
    with pytest.raises(UnavailableError, match="RATCHET_AIRFLOW_URL"):
        Airflow(url, "alice", "secret").version()


def test_says_what_to_do_when_nothing_listens():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(UnavailableError, match=r"does not answer.*ratchet up"):
            Airflow(url, "alice", "secret").version()


def test_bears_an_answer_that_is_no_http():
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        import threading

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"+PONG\r\n")

        speaker = threading.Thread(target=speak)
        speaker.start()
        with pytest.raises(UnavailableError, match="RATCHET_AIRFLOW_URL"):
            Airflow(f"http://127.0.0.1:{listener.getsockname()[1]}", "alice", "secret").version()
        speaker.join(5)
    finally:
        listener.close()
