"""Who the client is, behind proxies or not, and how a caller is recognised."""

from __future__ import annotations

from typing import Any

import pytest

from filmless.access.forwarding import outside_of, read_networks
from filmless.errors import Refused

PROXIES = read_networks("10.0.0.0/8, 2001:db8::1")


def asked(peer: str | None, forwarded: str | None = None, proto: str | None = None) -> tuple[str | None, str]:
    scope: dict[str, Any] = {"client": None if peer is None else (peer, 1), "scheme": "http"}
    headers = {}
    if forwarded is not None:
        headers[b"x-forwarded-for"] = forwarded.encode("latin-1")
    if proto is not None:
        headers[b"x-forwarded-proto"] = proto.encode("latin-1")
    outside = outside_of(scope, headers, PROXIES)
    return outside.address, outside.scheme


def test_without_a_trusted_proxy_the_connection_says_who_it_is() -> None:
    assert asked("203.0.113.5", "198.51.100.1", "https") == ("203.0.113.5", "http")


def test_a_trusted_proxy_says_who_it_speaks_for() -> None:
    assert asked("10.1.1.1", "198.51.100.1", "https") == ("198.51.100.1", "https")


def test_what_a_client_puts_before_itself_counts_for_nothing() -> None:
    assert asked("10.1.1.1", "127.0.0.1, 198.51.100.1") == ("198.51.100.1", "http")


def test_a_chain_of_trusted_proxies_is_followed_to_its_client() -> None:
    assert asked("10.1.1.1", "6.6.6.6, 198.51.100.1, 10.2.2.2, 2001:db8::1")[0] == "198.51.100.1"


@pytest.mark.parametrize("forwarded", [None, "", "unknown", "198.51.100.1, nonsense", "_hidden", "a" * 10000])
def test_a_header_that_says_nothing_leaves_the_proxy_itself(forwarded: str | None) -> None:
    assert asked("10.1.1.1", forwarded)[0] == "10.1.1.1"


@pytest.mark.parametrize("proto", ["", "ftp", "https, http", "HTTPS"])
def test_only_http_and_https_are_schemes(proto: str) -> None:
    assert asked("10.1.1.1", None, proto)[1] == ("https" if proto == "HTTPS" else "http")


def test_ipv4_in_the_dress_of_ipv6_is_ipv4() -> None:
    assert asked("::ffff:10.1.1.1", "[2001:db8::9]")[0] == "2001:db8::9"


def test_a_client_without_address_is_nobody_in_particular() -> None:
    assert asked(None) == (None, "http")


def test_proxies_that_are_no_networks_are_refused() -> None:
    with pytest.raises(Refused, match="trusted_proxies"):
        read_networks("10.0.0.0/8, proxy.example")


@pytest.mark.parametrize(
    ("said", "host", "scheme"),
    [
        ({"forwarded": 'for=198.51.100.1;host=pacs.example.org;proto=https'}, "pacs.example.org", "https"),
        ({"forwarded": 'for="[2001:db8::9]:4711"; proto=https; host="pacs.example.org:8443"'}, "pacs.example.org:8443",
         "https"),
        ({"forwarded": "for=6.6.6.6;host=evil, for=198.51.100.1;host=a.example.org;proto=https, for=10.2.2.2;host=in"},
         "a.example.org", "https"),
        ({"forwarded": "for=6.6.6.6;host=evil", "x-forwarded-for": "198.51.100.1"}, None, "http"),
        ({"x-forwarded-host": "pacs.example.org", "x-forwarded-proto": "https"}, "pacs.example.org", "https"),
        ({"x-forwarded-host": "pacs.example.org", "x-forwarded-port": "8443", "x-forwarded-proto": "https"},
         "pacs.example.org:8443", "https"),
        ({"x-forwarded-host": "pacs.example.org", "x-forwarded-port": "443", "x-forwarded-proto": "https"},
         "pacs.example.org", "https"),
        ({"x-forwarded-host": "evil, pacs.example.org"}, "pacs.example.org", "http"),
        ({"forwarded": "nonsense", "x-forwarded-host": "pacs.example.org"}, "pacs.example.org", "http"),
        ({}, None, "http"),
    ],
)  # fmt: skip
def test_a_trusted_proxy_says_what_address_was_asked_for(said: dict[str, str], host: str | None, scheme: str) -> None:
    headers = {name.encode(): value.encode() for name, value in said.items()}
    outside = outside_of({"client": ("10.1.1.1", 1), "scheme": "http"}, headers, PROXIES)
    assert (outside.host, outside.scheme) == (host, scheme)
    stranger = outside_of({"client": ("203.0.113.5", 1), "scheme": "http"}, headers, PROXIES)
    assert (stranger.host, stranger.scheme, stranger.prefix) == (None, "http", "")


@pytest.mark.parametrize(
    ("prefix", "found"),
    [("/pacs", "/pacs"), ("/a/b/", "/a/b"), ("/../x", ""), ("//evil", ""), ("pacs", ""), ('/"', "")],
)
def test_a_path_prefix_is_taken_when_it_is_one(prefix: str, found: str) -> None:
    headers = {b"x-forwarded-prefix": prefix.encode()}
    assert outside_of({"client": ("10.1.1.1", 1)}, headers, PROXIES).prefix == found
