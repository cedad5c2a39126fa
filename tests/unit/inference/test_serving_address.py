"""Which URLs and addresses a stranger may have fetched."""

import ipaddress
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.address import allowed_hosts, is_listed, is_public, read_target
from inference.failure import ServingError

BLOCKED_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::1/128", "::/128", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8", "2001:db8::/32", "64:ff9b:1::/48",
)  # fmt: skip
IPV6_WRAPPINGS = ("::ffff:0:0", "64:ff9b::", "2002::", "::")


@st.composite
def blocked_addresses(draw: st.DrawFn) -> str:
    network = ipaddress.ip_network(draw(st.sampled_from(BLOCKED_NETWORKS)))
    return str(network[draw(st.integers(0, network.num_addresses - 1))])


@given(blocked_addresses())
def test_no_address_of_a_private_or_special_network_is_public(address: str) -> None:
    assert not is_public(address)


@given(blocked_addresses().filter(lambda text: ":" not in text), st.sampled_from(IPV6_WRAPPINGS))
def test_an_ipv4_address_is_not_hidden_by_its_ipv6_wrapping(address: str, wrapping: str) -> None:
    number = int(ipaddress.IPv4Address(address))
    shifted = number << 80 if wrapping == "2002::" else number
    assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(wrapping)) + shifted)))


def test_a_teredo_address_is_judged_by_its_client() -> None:
    loopback = 0xFFFFFFFF - int(ipaddress.IPv4Address("127.0.0.1"))
    teredo = (0x20010000 << 96) + (int(ipaddress.IPv4Address("8.8.8.8")) << 64) + loopback
    assert not is_public(str(ipaddress.IPv6Address(teredo)))


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "2a00:1450::1"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "fe80::1%lo", "8.8.8.8 "])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "url_scheme"),
        ("gopher://example.com/", "url_scheme"),
        ("ftp://example.com/a.png", "url_scheme"),
        ("data:image/png;base64,AAAA", "url_scheme"),
        ("//example.com/a.png", "url_scheme"),
        ("example.com/a.png", "url_scheme"),
        ("http://user:secret@example.com/", "url_userinfo"),
        ("http://example.com@127.0.0.1/", "url_userinfo"),
        ("http://@127.0.0.1/", "url_userinfo"),
        ("http://example.com%00.evil/", "url_malformed"),
        ("http://127.0.0.1\\@example.com/", "url_malformed"),
        ("http://example.com\\.evil.com/", "url_malformed"),
        ("http://example.com/\r\nX-Evil: 1", "url_malformed"),
        ("http://example.com\t/", "url_malformed"),
        (" http://example.com/", "url_malformed"),
        ("http://exa mple.com/", "url_malformed"),
        ("http:///a.png", "url_malformed"),
        ("http://", "url_malformed"),
        ("http://[::1", "url_malformed"),
        ("http://[fe80::1%25eth0]/", "url_malformed"),
        ("http://example.com:99999/", "url_malformed"),
        ("http://example.com:0/", "url_malformed"),
        ("http://example.com:http/", "url_malformed"),
        ("http://%6c%6f%63alhost/", "url_malformed"),
        ("http://" + "a" * 64 + ".com/", "url_malformed"),
        ("http://example.com/" + "a" * 2048, "url_too_long"),
    ],
)
def test_a_url_that_is_not_plain_is_refused_by_name(url: str, code: str) -> None:
    with pytest.raises(ServingError) as caught:
        read_target(url)
    assert (caught.value.status, caught.value.code) == (400, code)


def test_a_target_names_host_port_and_encoded_path() -> None:
    target = read_target("HTTPS://Bücher.example:8443/ä.png?q=ü&size=1%202#part")
    assert (target.scheme, target.host, target.port) == ("https", "xn--bcher-kva.example", 8443)
    assert target.path == "/%C3%A4.png?q=%C3%BC&size=1%202"
    assert target.authority == "xn--bcher-kva.example:8443"


def test_the_host_header_leaves_out_the_schemes_own_port() -> None:
    assert read_target("http://example.com").authority == "example.com"
    assert read_target("http://[2606:4700::1111]:80/").authority == "[2606:4700::1111]"


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, "http://" + text, "http://example.com/" + text):
        with suppress(ServingError):
            target = read_target(url)
            assert (target.host + target.path).isascii()
            assert not set(target.host + target.path) & set(" \r\n\t\\")
            assert "@" not in target.host


def test_the_allow_list_names_hosts_with_or_without_their_port() -> None:
    allowed = allowed_hosts({"RATCHET_FETCH_ALLOWED_HOSTS": " 127.0.0.1:81, LOCALHOST ,,"})
    assert is_listed(read_target("http://127.0.0.1:81/"), allowed)
    assert not is_listed(read_target("http://127.0.0.1:82/"), allowed)
    assert is_listed(read_target("http://localhost:9/"), allowed)
    assert not is_listed(read_target("http://example.com/"), allowed_hosts({}))
