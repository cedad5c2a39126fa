"""The ECS service as a process with a real model: every route, every refusal, and its honesty about the model."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from pictures import claim_png, picture
from PIL import Image
from serving_process import Server, environment_of, wait_until

pytestmark = pytest.mark.mxnet
Start = Callable[[dict[str, str]], Server]


class ImageHost(BaseHTTPRequestHandler):
    """Serves one picture, and a redirect to another host."""

    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/7.png")
            self.end_headers()
            return
        body = picture() if self.path.startswith("/7.png") else b"<html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def image_port() -> Iterator[int]:
    host = ThreadingHTTPServer(("127.0.0.1", 0), ImageHost)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    yield host.server_port
    host.shutdown()
    host.server_close()


@pytest.fixture(scope="module")
def server(grey_archive: Path, image_port: int) -> Iterator[Server]:
    running = Server(environment_of(grey_archive, RATCHET_FETCH_ALLOWED_HOSTS=f"127.0.0.1:{image_port}"))
    try:
        yield running.wait_ready()
    finally:
        running.stop()


def test_the_image_route_answers_the_five_best_classes(server: Server, image_port: int) -> None:
    answer = server.ask("GET", f"/image?image=http://127.0.0.1:{image_port}/7.png%3Fa=b")
    assert answer.status == 200
    predictions = answer.json["predictions"]
    assert len(predictions) == 5
    assert predictions == sorted(predictions, key=lambda each: -each["probability"])
    assert answer.json["entries"] == [
        f"probability={each['probability']:f}, class={each['label']}" for each in predictions
    ]
    by_bytes = server.ask("POST", "/predict", picture(), Content_Type="image/png")
    assert by_bytes.json == answer.json


@pytest.mark.parametrize("route", ["/predict", "/invocations"])
@pytest.mark.parametrize("kind", ["image/jpeg", "application/jpeg", "application/octet-stream"])
def test_bytes_are_classified_whatever_they_are_called(server: Server, route: str, kind: str) -> None:
    answer = server.ask("POST", route, picture(kind="JPEG"), Content_Type=kind)
    assert (answer.status, len(answer.json["predictions"])) == (200, 5)
    assert answer.headers["X-Model-Digest"] == answer.json["model"]["digest"]
    assert answer.headers["X-Model-Version"] == answer.json["model"]["version"] == "7"


@pytest.mark.parametrize("route", ["/", "/ping"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_200_with_a_model(server: Server, route: str, method: str) -> None:
    answer = server.ask(method, route)
    assert (answer.status, answer.headers["X-Model-Version"]) == (200, "7")
    assert answer.body == b"" if method == "HEAD" else answer.json["engine"] == "c-predict"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "empty_body"),
        (b"hello", 400, "not_an_image"),
        (picture()[:100], 400, "broken_image"),
        (picture(kind="JPEG")[:60], 400, "not_an_image"),
        (claim_png(7142, 7141), 413, "too_many_pixels"),
        (claim_png(2**31 - 1, 2**31 - 1), 413, "too_many_pixels"),
        (bytes(11 * 1024 * 1024), 413, "body_too_large"),
    ],
    ids=["empty", "text", "cut-png", "cut-jpeg", "51-megapixels", "bomb", "11-megabytes"],
)
def test_bad_bytes_are_refused_and_the_server_lives(server: Server, body: bytes, status: int, code: str) -> None:
    answer = server.ask("POST", "/predict", body, Content_Type="image/png")
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["model"]["version"] == "7"
    assert server.status() == 200


def test_a_large_image_is_answered_and_its_memory_returned(server: Server) -> None:
    sink = io.BytesIO()
    Image.new("RGB", (7000, 7100)).save(sink, "PNG")
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    for _ in range(2):
        assert server.ask("POST", "/predict", sink.getvalue(), Content_Type="image/png").status == 200
    wait_until(lambda: process.memory_info().rss < before + 64 * 1024 * 1024, "less memory")


def test_a_chunked_body_is_cut_off_at_the_limit(server: Server) -> None:
    chunks = (bytes(1024 * 1024) for _ in range(11))
    answer = server.ask("POST", "/predict", chunks, Content_Type="image/png")
    assert (answer.status, answer.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/image?image=http://169.254.169.254/latest/", 400, "url_forbidden"),
        ("GET", "/image?image=http://127.0.0.1:1/", 400, "url_forbidden"),
        ("GET", "/image?image=file:///etc/passwd", 400, "url_scheme"),
        ("GET", "/image?image=http://127.0.0.1:{port}/away", 400, "url_forbidden"),
        ("GET", "/image?image=http://127.0.0.1:{port}/page", 400, "not_an_image"),
        ("GET", "/image", 400, "missing_url"),
        ("GET", "/predict", 405, "method_not_allowed"),
        ("GET", "/other", 404, "not_found"),
        ("POST", "/predict", 415, "content_type"),
    ],
)
def test_every_refusal_says_which(
    server: Server, image_port: int, method: str, path: str, status: int, code: str
) -> None:
    answer = server.ask(method, path.format(port=image_port))
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Model-Version"] == "7"


def test_metrics_and_the_log_name_the_version(server: Server) -> None:
    server.ask("POST", "/predict", picture(), Content_Type="image/png", X_Request_Id="find-me")
    text = server.ask("GET", "/metrics").body.decode()
    assert 'ratchet_request_seconds_count{model_version="7",route="/predict"}' in text
    assert 'ratchet_in_flight{model_version="7"} 1.0' in text
    line = wait_until(lambda: [each for each in server.lines if each.get("request_id") == "find-me"], "a log line")[0]
    assert (line["event"], line["status"], line["model_version"]) == ("request", 200, "7")
    assert len(line["model_digest"]) == 64


def test_without_a_release_the_service_is_up_and_says_so(start_server: Start) -> None:
    server = start_server({})
    wait_until(lambda: server.status() == 503, "an answer")
    assert server.ask("GET", "/").code == "no_model"
    assert server.ask("POST", "/predict", picture(), Content_Type="image/png").json["model"] is None
    assert server.process.poll() is None


def test_health_is_503_while_the_model_loads(start_server: Start, grey_archive: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "model.tar.gz"
    os.mkfifo(pipe)
    server = start_server({**environment_of(grey_archive), "RATCHET_MODEL_URI": str(pipe)})
    wait_until(lambda: server.status() == 503, "an answer")
    loading = server.ask("GET", "/")
    assert (loading.code, loading.json["model"]["version"]) == ("loading", "7")
    assert loading.headers["Retry-After"] == "2"
    pipe.write_bytes(grey_archive.read_bytes())
    server.wait_ready()


def test_a_wrong_digest_ends_the_process(start_server: Start, grey_archive: Path) -> None:
    server = start_server({**environment_of(grey_archive), "RATCHET_MODEL_SHA256": "0" * 64})
    assert server.wait_exit() == 1
    reason = next(line["reason"] for line in server.lines if line["event"] == "model_refused")
    assert "the release says " + "0" * 64 in reason


def test_a_truncated_archive_ends_the_process(start_server: Start, grey_archive: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.tar.gz"
    damaged.write_bytes(grey_archive.read_bytes()[:-100])
    server = start_server(environment_of(damaged))
    assert server.wait_exit() == 1
    assert any(line["event"] == "model_refused" for line in server.lines)


def test_a_wrong_setting_ends_the_process(start_server: Start) -> None:
    server = start_server({"RATCHET_MAX_IN_FLIGHT": "lots"})
    assert server.wait_exit() == 1
    assert "RATCHET_MAX_IN_FLIGHT" in server.lines[0]["reason"]


def test_a_colour_model_reads_grey_pictures_and_the_reverse(start_server: Start, rgb_archive: Path) -> None:
    server = start_server(environment_of(rgb_archive)).wait_ready()
    for mode in ("L", "RGB", "RGBA", "CMYK"):
        kind = "TIFF" if mode == "CMYK" else "PNG"
        assert server.ask("POST", "/predict", picture(mode=mode, kind=kind), Content_Type="image/png").status == 200
