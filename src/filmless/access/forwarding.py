"""What a proxy in front of us says of the request that it passed on: believed only of those that the settings trust.

Each proxy appends to X-Forwarded-For (or to Forwarded, RFC 7239) the address it saw, so the last one that is no proxy
of ours is the client; what stands before it is the client's own word and worth nothing. Forwarded counts only without
X-Forwarded-For: most proxies set that one alone, and pass on whatever Forwarded their clients make up.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from starlette.types import Scope

from filmless.errors import Refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PAIR = re.compile(r'\s*([A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*')
_PREFIX = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_HOPS_MAX: Final = 64


class Outside(NamedTuple):
    """A request as its client sees it. Without a host the Host header says it; `prefix` stands before our own paths."""

    address: str | None
    scheme: str
    host: str | None
    prefix: str


def outside_of(scope: Scope, headers: Mapping[bytes, bytes], proxies: Sequence[Network]) -> Outside:
    """Say who asks and for what address: by trusted proxies, and else by the connection."""
    client = scope.get("client")
    address = _plain(client[0]) if client else None
    scheme: str = scope.get("scheme", "http").replace("ws", "http", 1)
    if address is None or not _is_among(address, proxies):
        return Outside(address, scheme, None, "")
    told = None if b"x-forwarded-for" in headers else _forwarded(_text(headers, b"forwarded"))
    told = told or _x_forwarded(headers)
    hops = 0
    for hop in reversed(told["for"]):
        hops += 1
        said = _plain(_without_port(hop))
        if said is None:
            break
        address = said
        if not _is_among(said, proxies):
            break
    proto = _by_client(told["proto"], hops).lower()
    scheme = proto if proto in _DEFAULT_PORTS else scheme
    host = _by_client(told["host"], hops) or None
    port = _by_client(told["port"], hops)
    if host is not None and port.isascii() and port.isdigit() and port != _DEFAULT_PORTS.get(scheme):
        host = host if re.search(r":\d+$", host) else f"{host}:{port}"
    prefix = _text(headers, b"x-forwarded-prefix").strip().rstrip("/")
    return Outside(address, scheme, host, prefix if _PREFIX.fullmatch(prefix) else "")


def read_networks(text: str) -> tuple[Network, ...]:
    """Read the setting `trusted_proxies`.

    Raises
    ------
    Refused: a part is neither an address nor a network.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise Refused(f"trusted_proxies: {error}") from error


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _x_forwarded(headers: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    names = ("for", "proto", "host", "port")
    return {name: _text(headers, f"x-forwarded-{name}".encode()).split(",")[-_HOPS_MAX:] for name in names}


def _forwarded(text: str) -> dict[str, list[str]] | None:
    """Read Forwarded: one element for each proxy. None when it is not there, or not of its form."""
    told: dict[str, list[str]] = {"for": [], "proto": [], "host": [], "port": []}
    position = 0
    while position < len(text):
        element: dict[str, str] = {}
        while match := _PAIR.match(text, position):
            value = match[2]
            element[match[1].lower()] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            position = match.end()
            if text[position : position + 1] != ";":
                break
            position += 1
        if text[position : position + 1] not in ("", ",") or not element:
            return None
        position += 1
        for name, values in told.items():
            values.append(element.get(name, ""))
    return {name: values[-_HOPS_MAX:] for name, values in told.items()} if told["for"] else None


def _by_client(values: list[str], hops: int) -> str:
    """What the proxy said that the client spoke to; one that alone says something says it for all."""
    return values[-min(max(hops, 1), len(values))].strip() if values else ""


def _without_port(text: str) -> str:
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _plain(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _is_among(address: str, networks: Sequence[Network]) -> bool:
    return any(ipaddress.ip_address(address) in network for network in networks)
