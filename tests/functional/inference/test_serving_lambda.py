"""The Lambda handler as a process with a real model: every form of event, and what it says without a model."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pictures import claim_png, picture
from serving_process import HERE, ROOT, child_environment, environment_of, find_interpreter

pytestmark = pytest.mark.mxnet
ENCODED = base64.b64encode(picture()).decode()
IMAGE_HEADERS = {"content-type": "application/jpeg"}


def version_2(method: str, path: str = "/", **parts: Any) -> dict[str, Any]:
    context = {"stage": "$default", "http": {"method": method, "path": path}}
    return {"version": "2.0", "rawPath": path, "requestContext": context, **parts}


def version_1(method: str, path: str = "/", **parts: Any) -> dict[str, Any]:
    return {"httpMethod": method, "path": path, "requestContext": {"stage": "prod"}, **parts}


def invoke(variables: dict[str, str], events: list[Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Answers, and log lines, of one execution environment."""
    done = subprocess.run(
        [str(find_interpreter()), str(HERE / "invoke.py")],
        cwd=ROOT,
        env=child_environment(variables),
        input="".join(json.dumps(event) + "\n" for event in events),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stderr.splitlines() if line.startswith(("{", "null"))]
    return answers, [json.loads(line) for line in done.stdout.splitlines()]


GOOD = {
    "direct": {"dataurl": ENCODED},
    "direct data URL": {"dataurl": "data:image/png;base64," + ENCODED},
    "bytes in format 2.0": version_2("POST", "/predict", body=ENCODED, isBase64Encoded=True, headers=IMAGE_HEADERS),
    "bytes in format 1.0": version_1("POST", "/predict", body=ENCODED, isBase64Encoded=True, headers=IMAGE_HEADERS),
    "data URL as JSON in 2.0": version_2("POST", body=json.dumps({"dataurl": ENCODED})),
    "data URL as JSON in 1.0": version_1("POST", body=json.dumps({"dataurl": ENCODED})),
}
BAD = {
    "GET url in 2.0": (version_2("GET", queryStringParameters={"url": "http://localhost/"}), 400, "url_forbidden"),
    "GET url in 1.0": (version_1("GET", queryStringParameters={"url": "http://10.0.0.1/"}), 400, "url_forbidden"),
    "POST url in 2.0": (version_2("POST", body='{"url": "ftp://x/"}'), 400, "url_scheme"),
    "POST url in 1.0": (version_1("POST", body='{"url": "http://a@b/"}'), 400, "url_userinfo"),
    "GET without url": (version_2("GET", "/predict"), 400, "missing_url"),
    "POST without body": (version_2("POST"), 400, "bad_json"),
    "POST empty image": (version_2("POST", "/predict", headers=IMAGE_HEADERS), 400, "empty_body"),
    "POST bomb": (
        version_2(
            "POST",
            "/predict",
            body=base64.b64encode(claim_png(7142, 7141)).decode(),
            isBase64Encoded=True,
            headers=IMAGE_HEADERS,
        ),
        413,
        "too_many_pixels",
    ),
    "PUT": (version_1("PUT"), 405, "method_not_allowed"),
}


@pytest.fixture(scope="module")
def session(grey_archive: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    events = [*GOOD.values(), *(event for event, *_ in BAD.values())]
    events += [version_2("OPTIONS"), version_1("GET"), version_2("GET", "/"), {"neither": 1}, None, [1]]
    answers, lines = invoke(environment_of(grey_archive), events)
    names = [*GOOD, *BAD, "preflight", "health 1.0", "health 2.0", "unknown", "null", "list"]
    return dict(zip(names, answers, strict=True)), lines


@pytest.mark.parametrize("name", GOOD)
def test_every_form_of_event_gets_the_same_five_classes(session: Any, name: str) -> None:
    answer = session[0][name]
    body = answer if name.startswith("direct") else json.loads(answer["body"])
    assert body == session[0]["direct"]
    assert len(body["predictions"]) == len(body["entries"]) == 5
    assert body["model"]["version"] == "7"
    if not name.startswith("direct"):
        assert answer["statusCode"] == 200
        assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
        assert answer["headers"]["X-Model-Digest"] == body["model"]["digest"]


@pytest.mark.parametrize("name", BAD)
def test_every_refusal_is_valid_json_with_cors_and_the_model(session: Any, name: str) -> None:
    answer, (_, status, code) = session[0][name], BAD[name]
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["error"]["code"]) == (status, code)
    assert answer["headers"]["Access-Control-Allow-Origin"] == "*"
    assert body["model"]["version"] == "7"


def test_preflight_health_and_unknown_events_are_answered(session: Any) -> None:
    answers = session[0]
    assert answers["preflight"]["statusCode"] == 204
    assert "POST" in answers["preflight"]["headers"]["Access-Control-Allow-Methods"]
    assert json.loads(answers["health 1.0"]["body"]) == json.loads(answers["health 2.0"]["body"])
    assert answers["health 2.0"]["statusCode"] == 200
    for name in ("unknown", "null", "list"):
        assert answers[name]["error"]["code"] == "missing_url"


def test_the_model_is_loaded_once_for_all_invocations(session: Any) -> None:
    events = [line["event"] for line in session[1]]
    assert events.count("model_loaded") == 1
    assert events.count("request") == len(session[0])
    assert all(line["model_version"] == "7" for line in session[1])


def test_without_a_release_every_event_is_told_so() -> None:
    answers, _ = invoke({}, [{"dataurl": ENCODED}, version_2("GET"), GOOD["bytes in format 1.0"]])
    assert answers[0]["error"]["code"] == "no_model"
    assert [answer["statusCode"] for answer in answers[1:]] == [503, 503]
    assert json.loads(answers[1]["body"])["model"] is None


def test_a_wrong_digest_is_refused_once_and_answered_503(grey_archive: Path) -> None:
    variables = {**environment_of(grey_archive), "RATCHET_MODEL_SHA256": "0" * 64}
    answers, lines = invoke(variables, [{"dataurl": ENCODED}, version_2("GET")])
    assert answers[0]["error"]["code"] == "model_refused"
    assert (answers[1]["statusCode"], json.loads(answers[1]["body"])["model"]["digest"]) == (503, "0" * 64)
    assert [line["event"] for line in lines].count("model_refused") == 1


def test_a_store_that_did_not_answer_is_asked_again(grey_archive: Path, tmp_path: Path) -> None:
    variables = {**environment_of(grey_archive), "RATCHET_MODEL_URI": str(tmp_path / "missing")}
    answers, lines = invoke(variables, [version_2("GET"), version_2("GET")])
    assert [answer["statusCode"] for answer in answers] == [503, 503]
    assert [line["event"] for line in lines].count("model_refused") == 3
