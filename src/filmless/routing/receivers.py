"""The receivers of webhooks: which addresses may be called, how a message is signed, and one bounded POST.

Messages are signed as Standard Webhooks 1.0.0 says (standardwebhooks.com), so that its libraries verify them.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import secrets
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from filmless.config import Settings
from filmless.errors import Refused

if TYPE_CHECKING:
    import httpx2

PREFIX: Final = "whsec_"
URL_MAX: Final = 2048
ADDRESSES_MAX: Final = 4
"""Addresses of one name that are tried."""

ANSWER_MAX: Final = 2048
"""Bytes of an answer that are read; `QUOTED_MAX` characters of them are told."""

QUOTED_MAX: Final = 200
RESOLVED_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 3600

_NEVER: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "100.100.100.200/32",  # metadata (Alibaba)
        "168.63.129.16/32",  # the host (Azure)
        "192.0.0.192/32",  # metadata (Oracle)
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # metadata (AWS)
        "fd20:ce::254/128",  # metadata (Google)
        "ff00::/8",
    )
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Message(NamedTuple):
    """What is sent: the same `id` each time that it is tried, by which a receiver knows it again."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one POST went, in words. `retry_after_s` is what the receiver asked for."""

    ok: bool
    message: str
    retry_after_s: int = 0


def new_signing_secret() -> str:
    """Make a secret of 256 bits, as the libraries of Standard Webhooks take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, message: Message, at: int) -> str:
    """Sign id, time (seconds since 1970) and body with HMAC-SHA-256."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message.id}.{at}.".encode() + message.body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def checked_url(settings: Settings, url: str) -> str:
    """Check the address of a receiver as far as it can be without calling it. Raises Refused."""
    import httpx2

    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise Refused(f"this is no URL: {error}") from error
    if len(url) > URL_MAX or parts.scheme not in ("http", "https") or not parts.host:
        raise Refused(f"a receiver's address is http:// or https://, a host and a path, at most {URL_MAX} characters")
    if parts.userinfo or parts.fragment:
        raise Refused("a receiver's address has no user, password or fragment: the signature says who sends")
    address = _address(parts.host)
    if address is not None:
        require_callable(settings, address)
    return str(parts)


def require_callable(settings: Settings, address: IpAddress) -> None:
    """Refuse link-local, multicast and metadata addresses, which no receiver has, unless the setting allows them."""
    for each in _forms(address):
        if any(each in network for network in _NEVER) and not any(each in net for net in _allowed(settings)):
            raise Refused(
                f"{address} is link-local, multicast or the metadata service of a cloud: webhooks do not call it "
                "(setting webhook_networks)"
            )


def _forms(address: IpAddress) -> list[IpAddress]:
    """The address, and the one of IPv4 that it carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    carried = address.ipv4_mapped or address.sixtofour
    if carried is None and (address in _NAT64 or int(address) >> 32 == 0):
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if carried is None or int(address) <= 1:  # :: and ::1 carry none
        return [address]
    return [address, carried]


def _allowed(settings: Settings) -> list[Any]:
    try:
        words = [word.strip() for word in settings.webhook_networks.split(",")]
        return [ipaddress.ip_network(word, strict=False) for word in words if word]
    except ValueError as error:
        raise Refused(f"setting webhook_networks: {error}") from error


def _address(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


class Receiver:
    """One receiver and the connection to it; each message is signed with all of its secrets.

    The address is looked up here and then called, so that no other is.
    """

    def __init__(self, settings: Settings, url: str, secrets: Sequence[str]) -> None:
        import httpx2

        self._settings = settings
        self._url = httpx2.URL(url)
        self._secrets = secrets
        self._where = self._url.netloc.decode("ascii")
        self._addresses: list[str] = []
        self._resolved_at = -RESOLVED_S
        self._client = httpx2.AsyncClient(
            timeout=settings.webhook_timeout_s,
            follow_redirects=False,
            trust_env=False,  # a proxy would look names up for itself
            verify=self._url.scheme == "https",  # else there is nothing to verify, and reading authorities takes time
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=30.0),
        )

    async def __aenter__(self) -> Receiver:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, message: Message) -> Outcome:
        """Send one message and say how it went. All of it takes `webhook_timeout_s` at most."""
        import httpx2

        try:
            async with asyncio.timeout(self._settings.webhook_timeout_s):
                return await self._post(message)
        except (TimeoutError, httpx2.TimeoutException):
            return Outcome(False, f"{self._where} did not answer within {self._settings.webhook_timeout_s:g} s")
        except (httpx2.HTTPError, ssl.SSLError, OSError) as error:
            return Outcome(False, f"{self._where}: {str(error)[:QUOTED_MAX] or type(error).__name__}")
        except Refused as refusal:
            return Outcome(False, f"{self._where}: {refusal}")

    async def _post(self, message: Message) -> Outcome:
        import httpx2

        addresses = await self._resolve()
        for address in addresses[:-1]:
            try:
                return await self._post_to(address, message)
            except httpx2.ConnectError:
                continue
        return await self._post_to(addresses[-1], message)

    async def _post_to(self, address: str, message: Message) -> Outcome:
        at = int(time.time())
        headers = {
            "host": self._where,
            "content-type": "application/json",
            "accept-encoding": "identity",
            "user-agent": "Filmless-Webhooks",
            "webhook-id": message.id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(sign(secret, message, at) for secret in self._secrets),
        }
        extensions = {} if _address(self._url.host) else {"sni_hostname": self._url.host}
        url = self._url.copy_with(host=address)
        async with self._client.stream(
            "POST", url, content=message.body, headers=headers, extensions=extensions
        ) as response:
            said = await _read_some(response)
        self._client.cookies.clear()
        if response.is_success:
            return Outcome(True, f"{self._where} answered {response.status_code}")
        if response.is_redirect:
            return Outcome(False, f"{self._where} answered {response.status_code}: redirects are not followed")
        after = response.headers.get("retry-after", "")
        wait_s = min(int(after), RETRY_AFTER_MAX_S) if after.isascii() and after.isdecimal() and len(after) < 7 else 0
        return Outcome(False, f"{self._where} answered {response.status_code}{said and ': ' + said}", wait_s)

    async def _resolve(self) -> list[str]:
        """Look the name up, at most once in `RESOLVED_S`. Raises Refused when one of its addresses is not called."""
        if time.monotonic() - self._resolved_at >= RESOLVED_S:
            known = _address(self._url.host)
            if known is None:
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(self._url.host, None, type=socket.SOCK_STREAM)
                addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
            else:
                addresses = [str(known)]
            for each in addresses:
                require_callable(self._settings, ipaddress.ip_address(each))
            self._addresses, self._resolved_at = addresses[:ADDRESSES_MAX], time.monotonic()
        return self._addresses


async def _read_some(response: httpx2.Response) -> str:
    """The beginning of an answer, as one line."""
    body = b""
    async for piece in response.aiter_raw(ANSWER_MAX):
        body += piece
        if len(body) >= ANSWER_MAX:
            break
    text = " ".join(body[:ANSWER_MAX].decode("utf-8", "replace").split())
    return "".join(each for each in text if each.isprintable())[:QUOTED_MAX]
