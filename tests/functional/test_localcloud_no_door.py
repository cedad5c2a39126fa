"""A page of somebody else's, in a real browser of this machine, can have localcloud do nothing and learn nothing."""

from __future__ import annotations

import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from localcloud.engines import load_engines
from localcloud.server import LocalCloud

LIMIT_SECONDS = 60
# What such a page would try: forms, calls with and without what makes a preflight, and reading.
PAGE = """<!doctype html><title>hostile</title><script>
const target = "TARGET";
const create = {method: "POST", body: JSON.stringify({TableName: "stolen"}),
                headers: {"X-Amz-Target": "DynamoDB_20120810.CreateTable",
                          "Content-Type": "application/x-amz-json-1.0"}};
const form = new URLSearchParams({Action: "CreateQueue", QueueName: "stolen", Version: "2012-11-05"});
const attempts = {
  form: () => fetch(target, {method: "POST", body: form, mode: "no-cors"}),
  json: () => fetch(target, create),
  plain: () => fetch(target, {method: "POST", body: create.body, mode: "no-cors"}),
  fault: () => fetch(target + "/_localcloud/faults", {method: "POST", body: '{"effect": "drop"}', mode: "no-cors"}),
  spot: () => fetch(target + "/_localcloud/spot", {method: "POST", body: "{}", mode: "no-cors"}),
  reset: () => fetch(target + "/moto-api/reset", {method: "POST", mode: "no-cors"}),
  put: () => fetch(target + "/bucket/stolen", {method: "PUT", body: "x"}),
  read: () => fetch(target + "/bucket/secret").then(answer => answer.text()),
  health: () => fetch(target + "/_localcloud/health").then(answer => answer.text()),
};
async function main() {
  const ends = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try { const answer = await attempt(); ends[name] = answer.type ?? "read: " + answer; }
    catch (error) { ends[name] = "refused"; }
  }
  document.title = JSON.stringify(ends);
}
main();
</script>"""


needs_chromium = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="needs Chromium and chromedriver"
)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[LocalCloud]:
    with LocalCloud(home=tmp_path, engines=load_engines(["s3", "dynamodb", "sqs"])) as made:
        s3 = client(made, "s3")
        s3.create_bucket(Bucket="bucket")
        s3.put_object(Bucket="bucket", Key="secret", Body=b"of the owner")
        yield made


def client(cloud: LocalCloud, service: str) -> Any:
    key = cloud.access_key
    keys = {"aws_access_key_id": key.id, "aws_secret_access_key": key.secret}
    return boto3.client(service, endpoint_url=cloud.url, region_name="us-east-1", **keys)


def nothing_has_happened(cloud: LocalCloud) -> bool:
    return (
        client(cloud, "dynamodb").list_tables()["TableNames"] == []
        and "QueueUrls" not in client(cloud, "sqs").list_queues()
        and [entry["Key"] for entry in client(cloud, "s3").list_objects_v2(Bucket="bucket")["Contents"]] == ["secret"]
        and cloud.faults.is_empty
    )


@pytest.mark.browser
@needs_chromium
def test_a_hostile_page_starts_nothing_and_reads_nothing(cloud: LocalCloud) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    with hosting(PAGE.replace("TARGET", cloud.url)) as port, browser() as driver:
        # Another name of the loopback is another origin; the browser resolves it as the attacker's name server would.
        driver.get(f"http://evil.example:{port}/")
        title = WebDriverWait(driver, LIMIT_SECONDS).until(lambda d: d.title if d.title.startswith("{") else None)
    ends = json.loads(title)
    assert len(ends) == 9
    assert {name for name, end in ends.items() if end not in {"opaque", "refused"}} == set()
    assert "owner" not in title
    assert nothing_has_happened(cloud)


@pytest.mark.browser
@needs_chromium
def test_a_page_whose_name_was_rebound_to_the_loopback_starts_nothing(cloud: LocalCloud) -> None:
    port = urlsplit(cloud.url).port
    with browser() as driver:
        driver.get(f"http://evil.example:{port}/_localcloud/console/s3/object/bucket?prefix=secret")
        assert "this machine only" in driver.page_source
        assert "of the owner" not in driver.page_source
        script = "return fetch('/', {method: 'POST', body: 'Action=CreateQueue&QueueName=stolen'}).then(a => a.status)"
        assert driver.execute_script(script) == 403
    assert nothing_has_happened(cloud)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""])
def test_another_name_than_the_loopback_s_is_refused(cloud: LocalCloud, host: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=10)
    connection.putrequest("POST", "/", skip_host=True)
    connection.putheader("Host", host)
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    assert connection.getresponse().status == 403
    connection.close()
    assert nothing_has_happened(cloud)


@contextmanager
def hosting(page: str) -> Iterator[int]:
    """The attacker's web server, on a free port."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium, headless, that takes `evil.example` for this machine."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
    for flag in (*flags, "--disable-background-networking", "--host-resolver-rules=MAP evil.example 127.0.0.1"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_page_load_timeout(LIMIT_SECONDS)
        yield driver
    finally:
        driver.quit()
