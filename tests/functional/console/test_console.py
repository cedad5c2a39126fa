"""The console's data and its doors: what it says, and to whom."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from console_names import HOSTILE

pytestmark = pytest.mark.usefixtures("filled")
PREFIX = "/_localcloud/console"


def ask(cloud: Any, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=60)
    connection.request(method, PREFIX + path, headers={name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def read(cloud: Any, path: str) -> dict[str, Any]:
    status, _, body = ask(cloud, f"/api/{path}")
    assert status == 200, body
    return json.loads(body)


def test_the_overview_counts_everything_and_shows_what_rings(cloud):
    found = read(cloud, "overview")
    kinds = ("jobs", "services", "functions", "queues", "tables", "buckets", "alarms")
    assert set(found["counts"]) == set(kinds)
    assert (found["counts"]["tables"], found["counts"]["buckets"], found["counts"]["alarms"]) == (1, 1, 1)
    assert [alarm["name"] for alarm in found["ringing"]] == ["errors"]


@pytest.mark.parametrize(
    "view", ["jobs", "services", "functions", "queues", "tables", "buckets", "alarms", "faults", "calls"]
)
def test_every_list_can_be_read(cloud, view):
    assert isinstance(read(cloud, view)[view], list)


def test_a_tables_items_come_page_by_page(cloud):
    first = read(cloud, "tables/registry")
    second = read(cloud, f"tables/registry?start={quote(first['next'])}")
    keys = {item["pk"] for page in (first, second) for item in page["items"]}
    assert (len(first["items"]), len(keys), second["next"]) == (50, 60, None)


def test_a_bucket_shows_folders_and_objects_and_all_their_versions(cloud):
    assert read(cloud, "buckets/models")["folders"] == ["digits/"]
    latest = read(cloud, "buckets/models?prefix=digits/")["objects"]
    assert [entry["key"] for entry in latest] == sorted([f"digits/{HOSTILE}.txt", "digits/model.bin"])
    versions = read(cloud, "buckets/models?prefix=digits/model&versions=1")["objects"]
    assert [(entry["size"], entry["latest"]) for entry in versions if entry["latest"]] == [(6, True)]
    assert len(versions) == 2
    old = next(entry for entry in versions if not entry["latest"])
    query = f"prefix=digits/model.bin&versionId={old['version']}"
    assert ask(cloud, f"/s3/object/models?{query}")[2] == b"first"


def test_an_alarm_comes_with_its_metric_and_its_history(cloud):
    found = read(cloud, "alarms/errors")
    assert (found["state"], found["reason"], found["threshold"]) == ("ALARM", "set by hand", 3.0)
    assert found["metrics"][0]["points"][0][1] == 9.0
    assert found["history"][0]["summary"] == "Alarm updated from INSUFFICIENT_DATA to ALARM"


def test_what_is_not_there_is_told(cloud):
    for path in (
        "jobs/nobody",
        "alarms/nobody",
        "services/c/s",
        "functions/f",
        "tables/t",
        "buckets/b",
        "what",
        "jobs/a/b/c",
    ):
        status, _, body = ask(cloud, f"/api/{path}")
        assert (status, "error" in json.loads(body)) == (404, True), path
    assert ask(cloud, "/nowhere")[0] == 404
    assert ask(cloud, "/static/../application.py")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/sagemaker/home?region=us-east-1",
        "/ecs/v2/clusters/c/services/s/health?region=us-east-1",
        "/lambda/home",
        "/s3/buckets/models",
    ],
)
def test_the_page_is_at_every_path_that_links_lead_to_and_nothing_in_it_is_inline(cloud, path):
    status, headers, body = ask(cloud, path)
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert b"<style" not in body
    assert b"<script>" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_it_only_reads(cloud, method):
    assert ask(cloud, "/api/overview", method)[0] == 405


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_gets_nothing(cloud, headers):
    status, answered, body = ask(cloud, "/api/tables/registry", **headers)
    assert status == 403
    assert b"items" not in body
    assert "Access-Control-Allow-Origin" not in answered
