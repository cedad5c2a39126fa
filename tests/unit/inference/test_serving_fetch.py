"""Fetching by URL with a resolver and a network that are lists."""

import http.client
import io
from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest

from inference.address import Target
from inference.connection import Deadline
from inference.failure import ServingError
from inference.fetch import MAX_BODY_BYTES, Fetcher

PUBLIC = "93.184.216.34"

BYPASSES = [
    ("http://169.254.169.254/latest/meta-data/", ["169.254.169.254"]),
    ("http://metadata.example/", ["169.254.169.254"]),
    ("http://[fd00:ec2::254]/latest/", ["fd00:ec2::254"]),
    ("http://169.254.170.2/v2/credentials", ["169.254.170.2"]),
    ("http://localhost/", ["127.0.0.1"]),
    ("http://localhost./", ["127.0.0.1"]),
    ("http://localhost6/", ["::1"]),
    ("http://127.0.0.1:8080/", ["127.0.0.1"]),
    ("http://127.1/", ["127.0.0.1"]),
    ("http://2130706433/", ["127.0.0.1"]),
    ("http://0x7f000001/", ["127.0.0.1"]),
    ("http://0177.0.0.1/", ["127.0.0.1"]),
    ("http://0x7f.0.0.1/", ["127.0.0.1"]),
    ("http://0/", ["0.0.0.0"]),
    ("http://0.0.0.0/", ["0.0.0.0"]),
    ("http://①②⑦.⓪.⓪.①/", ["127.0.0.1"]),
    ("http://[::1]/", ["::1"]),
    ("http://[::]/", ["::"]),
    ("http://[::ffff:127.0.0.1]/", ["::ffff:127.0.0.1"]),
    ("http://[::ffff:a9fe:a9fe]/", ["::ffff:169.254.169.254"]),
    ("http://[64:ff9b::7f00:1]/", ["64:ff9b::7f00:1"]),
    ("http://[2002:7f00:1::]/", ["2002:7f00:1::"]),
    ("http://[::7f00:1]/", ["::7f00:1"]),
    ("http://[fe80::1]/", ["fe80::1"]),
    ("http://10.0.0.1/", ["10.0.0.1"]),
    ("http://172.16.0.1/", ["172.16.0.1"]),
    ("http://192.168.1.1/", ["192.168.1.1"]),
    ("http://100.64.0.1/", ["100.64.0.1"]),
    ("http://224.0.0.1/", ["224.0.0.1"]),
    ("http://255.255.255.255/", ["255.255.255.255"]),
    ("http://240.0.0.1/", ["240.0.0.1"]),
    ("https://127.0.0.1.nip.example/", ["127.0.0.1"]),
    ("http://mixed.example/", [PUBLIC, "10.0.0.7"]),
    ("http://mixed6.example/", ["2606:4700::1111", "::1"]),
    ("http://strange.example/", ["not-an-address"]),
]


class Network:
    """Answers requests from a script and remembers where they went."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.reached: list[tuple[str, str]] = []
        self.sent = b""

    def connect(
        self, target: Target, address: str, deadline: Deadline
    ) -> AbstractContextManager[http.client.HTTPConnection]:
        self.reached.append((target.host, address))
        return closing(ScriptedConnection(target.host, self))


class ScriptedConnection(http.client.HTTPConnection):
    def __init__(self, host: str, network: Network) -> None:
        super().__init__(host)
        self.network = network

    def connect(self) -> None:
        self.sock = self  # type: ignore[assignment]

    def sendall(self, data: bytes) -> None:
        self.network.sent += data

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.network.answers.pop(0)))  # type: ignore[arg-type]

    def close(self) -> None:
        self.sock = None


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    given = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def redirect(location: str) -> bytes:
    return answer(b"", "302 Found", Location=location)


def names(table: dict[str, list[str]]) -> Callable[[str, int], list[str]]:
    return lambda host, port: table.get(host, [PUBLIC])


def refusal(fetcher: Fetcher, url: str) -> ServingError:
    with pytest.raises(ServingError) as caught:
        fetcher.fetch(url)
    return caught.value


@pytest.mark.parametrize(("url", "addresses"), BYPASSES)
def test_no_spelling_of_an_inner_address_is_connected_to(url: str, addresses: list[str]) -> None:
    network = Network()
    error = refusal(Fetcher(resolve=lambda *_: addresses, connect=network.connect), url)
    assert (error.status, error.code) == (400, "url_forbidden")
    assert network.reached == []


@pytest.mark.parametrize(("url", "addresses"), BYPASSES)
def test_no_redirect_leads_to_an_inner_address(url: str, addresses: list[str]) -> None:
    network = Network(redirect(url.encode("ascii", "ignore").decode() or "/"))
    fetcher = Fetcher(
        resolve=lambda host, port: [PUBLIC] if host == "start.example" else addresses, connect=network.connect
    )
    error = refusal(fetcher, "http://start.example/")
    assert error.status == 400
    assert network.reached == [("start.example", PUBLIC)]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a@127.0.0.1/", "ftp://x/"])
def test_a_redirect_is_read_as_strictly_as_the_url(location: str) -> None:
    fetcher = Fetcher(resolve=names({}), connect=Network(redirect(location)).connect)
    assert refusal(fetcher, "http://start.example/").status == 400


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to() -> None:
    answers = [[PUBLIC], ["127.0.0.1"]]
    network = Network(answer(b"image"))
    fetcher = Fetcher(resolve=lambda *_: answers.pop(0), connect=network.connect)
    assert fetcher.fetch("http://rebinding.example/a.png") == b"image"
    assert network.reached == [("rebinding.example", PUBLIC)]
    assert answers == [["127.0.0.1"]]


def test_the_host_header_names_the_host_and_not_the_address() -> None:
    network = Network(answer(b"image"))
    Fetcher(resolve=names({}), connect=network.connect).fetch("http://pictures.example:8000/a.png?b=c")
    assert network.sent.startswith(b"GET /a.png?b=c HTTP/1.1\r\n")
    assert network.sent.count(b"Host:") == 1
    assert b"Host: pictures.example:8000\r\n" in network.sent


def test_three_redirects_are_followed_and_a_fourth_is_not() -> None:
    hops = [redirect("/two"), redirect("http://other.example/"), redirect("//third.example/x")]
    network = Network(*hops, answer(b"image"))
    assert Fetcher(resolve=names({}), connect=network.connect).fetch("http://start.example/one") == b"image"
    assert [host for host, _ in network.reached] == [
        "start.example", "start.example", "other.example", "third.example",
    ]  # fmt: skip
    error = refusal(
        Fetcher(resolve=names({}), connect=Network(*hops, redirect("/more")).connect), "http://start.example/"
    )
    assert (error.status, error.code) == (400, "url_redirects")


def test_a_body_that_announces_too_much_is_not_read() -> None:
    network = Network(answer(b"", Content_Length=str(MAX_BODY_BYTES + 1)))
    error = refusal(Fetcher(resolve=names({}), connect=network.connect), "http://large.example/")
    assert (error.status, error.code) == (413, "url_too_large")


def test_a_body_that_announces_nothing_is_cut_off_at_the_limit() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_BODY_BYTES + 1)
    error = refusal(Fetcher(resolve=names({}), connect=Network(endless).connect), "http://large.example/")
    assert (error.status, error.code) == (413, "url_too_large")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answer(b"gone", "404 Not Found"), "url_status"),
        (answer(b"", "204 No Content"), "url_status"),
        (answer(b"half", Content_Length="8"), "url_unreachable"),
        (b"SSH-2.0-OpenSSH\r\n", "url_unreachable"),
        (b"", "url_unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "url_unreachable"),
    ],
)
def test_a_failing_other_side_is_told_apart_from_a_refused_url(reply: bytes, code: str) -> None:
    error = refusal(Fetcher(resolve=names({}), connect=Network(reply).connect), "http://broken.example/")
    assert (error.status, error.code) == (424, code)


def test_a_host_without_an_address_is_named_so() -> None:
    def fail(host: str, port: int) -> list[str]:
        raise OSError("no such host")

    assert refusal(Fetcher(resolve=fail), "http://nowhere.example/").code == "url_unresolved"
    assert refusal(Fetcher(resolve=lambda *_: []), "http://nowhere.example/").code == "url_unresolved"


def test_a_listed_host_may_be_on_the_loopback() -> None:
    network = Network(answer(b"image"))
    fetcher = Fetcher(frozenset({"laptop:81"}), resolve=lambda *_: ["127.0.0.1"], connect=network.connect)
    assert fetcher.fetch("http://laptop:81/") == b"image"
    assert refusal(fetcher, "http://laptop:82/").code == "url_forbidden"


def test_a_deadline_ends() -> None:
    now = [0.0]
    deadline = Deadline(5, clock=lambda: now[0])
    assert deadline.remaining_seconds() == 5
    now[0] = 5.0
    with pytest.raises(TimeoutError):
        deadline.remaining_seconds()
