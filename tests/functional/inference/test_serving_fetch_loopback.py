"""Fetching over real sockets on the loopback: redirects, drips, pinned TLS."""

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from inference.failure import ServingError
from inference.fetch import Fetcher

Reply = Callable[[socket.socket], None]


class Listener:
    """Answers every connection by a function, and counts them."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            self.requests.append(connection.recv(4096))
            self.reply(connection)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Reply], Listener]]:
    listeners: list[Listener] = []

    def start(reply: Reply) -> Listener:
        listeners.append(Listener(reply))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.close()


def say(text: str) -> Reply:
    return lambda connection: connection.sendall(text.encode())


def drip(head: bytes) -> Reply:
    """Send one byte at a time, each well within the limit, until the other side has had enough."""
    stop = threading.Event()

    def reply(connection: socket.socket) -> None:
        connection.sendall(head)
        while not stop.wait(0.01):
            connection.sendall(b"0")

    return reply


def refusal(fetcher: Fetcher, url: str) -> ServingError:
    with pytest.raises(ServingError) as caught:
        fetcher.fetch(url)
    return caught.value


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0", "[::ffff:127.0.0.1]", "[::1]", "0177.1"],
)
def test_a_redirect_to_the_loopback_never_reaches_it(listen: Callable[[Reply], Listener], spelling: str) -> None:
    canary = listen(say("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"))
    location = f"http://{spelling}:{canary.port}/latest/meta-data/"
    start = listen(say(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
    fetcher = Fetcher(frozenset({f"127.0.0.1:{start.port}"}))
    assert refusal(fetcher, f"http://127.0.0.1:{start.port}/").status in (400, 424)
    assert len(start.requests) == 1
    assert canary.requests == []


@pytest.mark.parametrize(
    "head",
    ["HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n"],
)
def test_a_body_is_read_to_its_end_however_that_is_marked(listen: Callable[[Reply], Listener], head: str) -> None:
    image = listen(say(head + "\r\nimage"))
    assert Fetcher(frozenset({"127.0.0.1"})).fetch(f"http://127.0.0.1:{image.port}/") == b"image"


def test_a_listed_host_is_fetched_through_its_redirect(listen: Callable[[Reply], Listener]) -> None:
    image = listen(say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage"))
    start = listen(say(f"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:{image.port}/a.png\r\nContent-Length: 0\r\n\r\n"))
    fetcher = Fetcher(frozenset({"127.0.0.1"}))
    assert fetcher.fetch(f"http://127.0.0.1:{start.port}/") == b"image"
    assert image.requests[0].startswith(b"GET /a.png HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1",
        b"HTTP/1.1 200 OK\r\nX-Header: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0000",
    ],
)
def test_a_drip_is_cut_off_by_the_total_time(listen: Callable[[Reply], Listener], head: bytes) -> None:
    slow = listen(drip(head))
    fetcher = Fetcher(frozenset({"127.0.0.1"}), timeout_seconds=0.4)
    error = refusal(fetcher, f"http://127.0.0.1:{slow.port}/")
    assert error.code == "url_timeout"


def test_a_resolver_that_hangs_is_left_behind() -> None:
    forever = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        forever.wait(30)
        return []

    try:
        error = refusal(Fetcher(resolve=hang, timeout_seconds=0.1), "http://slow-dns.example/")
    finally:
        forever.set()
    assert (error.status, error.code) == (424, "url_timeout")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.test")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("pictures.test"), x509.IPAddress(ipaddress.ip_address("::1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def https_port(certificate: Path) -> Iterator[tuple[int, list[str]]]:
    named: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, _: named.append(name)
    plain = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                accepted, _ = plain.accept()
                with suppress(OSError), context.wrap_socket(accepted, server_side=True) as connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")

    threading.Thread(target=serve, daemon=True).start()
    yield plain.getsockname()[1], named
    plain.close()


def test_tls_goes_to_the_pinned_address_and_is_verified_for_the_name(
    https_port: tuple[int, list[str]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port, named = https_port
    fetcher = Fetcher(frozenset({"pictures.test", "other.test"}), resolve=lambda *_: ["127.0.0.1"])
    assert fetcher.fetch(f"https://pictures.test:{port}/a.png") == b"image"
    assert named == ["pictures.test"]
    assert refusal(fetcher, f"https://other.test:{port}/a.png").code == "url_unreachable"


def test_an_untrusted_certificate_is_refused(https_port: tuple[int, list[str]]) -> None:
    fetcher = Fetcher(frozenset({"pictures.test"}), resolve=lambda *_: ["127.0.0.1"])
    assert refusal(fetcher, f"https://pictures.test:{https_port[0]}/").code == "url_unreachable"
