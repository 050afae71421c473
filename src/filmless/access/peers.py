"""Known peers: AE title and address, and which services each may use. Strangers are refused and remembered.

An address is an IP, a CIDR network, or a host name that is resolved when the peer calls (remembered for half a minute).
AE titles compare exactly, without the blanks that PS3.5 6.2 lets pad them.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from filmless.access import audit
from filmless.access.policy import PEER_SERVICES, Action, require
from filmless.access.principal import Principal
from filmless.access.tables import peers, unknown_peers
from filmless.archive.database import insert_for
from filmless.archive.events import publish
from filmless.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from filmless.archive import Archive

UNKNOWN_PEERS_MAX: Final = 200
"""Strangers remembered; beyond that the one not seen for longest is forgotten."""

OPERATIONS_WINDOW_MAX: Final = 64

STRANGER_TOLD_S: Final = 5.0
"""Screens hear of a stranger that calls again and again so often at most."""

RESOLVED_S: Final = 30.0
UNRESOLVED_S: Final = 5.0
RESOLVED_NAMES_MAX: Final = 1000

_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote AE that we know. `port` is None when it only calls us."""

    id: int
    ae_title: str
    host: str
    port: int | None
    allow: frozenset[str]
    tls: bool
    description: str
    ask_commitment: bool  # ask it for storage commitment of what we sent to it
    notify_availability: bool  # tell it when a study is complete (PS3.4 annex R)
    operations_window: int  # C-STOREs that it may be sent before it has answered the first; 1: one by one
    created_at: float
    updated_at: float

    @property
    def can_be_called(self) -> bool:
        """Whether there is one address to connect to."""
        return self.port is not None and "/" not in self.host

    def principal(self, *, address: str | None = None, door: str = "dimse") -> Principal:
        """Give the caller that the policy judges."""
        return Principal(
            kind="peer",
            id=self.id,
            name=self.ae_title,
            roles=frozenset(),
            rights=self.allow,
            address=address,
            door=door,
        )


@dataclass(frozen=True, slots=True)
class UnknownPeer:
    """A stranger that was refused, and how often."""

    id: int
    ae_title: str
    address: str
    called_ae_title: str
    reason: str
    proposed: tuple[str, ...]
    times: int
    first_seen_at: float
    last_seen_at: float


def find_peer(archive: Archive, ae_title: str, address: str) -> Peer | None:
    """Find the peer that calls itself `ae_title` from `address`.

    An entry with the address itself wins over one with its name, that over one with its network.
    """
    best: tuple[int, Peer] | None = None
    for peer in find_by_ae_title(archive, ae_title):
        closeness = _closeness(peer.host, address)
        if closeness and (best is None or closeness > best[0]):
            best = closeness, peer
    return None if best is None else best[1]


def find_by_ae_title(archive: Archive, ae_title: str) -> list[Peer]:
    """List the entries with this AE title, whatever their address."""
    with archive.reading() as session:
        rows = session.execute(select(peers).where(peers.c.ae_title == ae_title.strip(" ")).order_by(peers.c.id))
        return [_peer(row) for row in rows.mappings()]


def find_destination(archive: Archive, ae_title: str) -> Peer | None:
    """Find the peer that instances for `ae_title` are sent to: the entry that has an address to connect to."""
    return next((peer for peer in find_by_ae_title(archive, ae_title) if peer.can_be_called), None)


def get_peer(archive: Archive, peer_id: int) -> Peer:
    """Read one peer.

    Raises
    ------
    NotFound: there is none with this id.
    """
    with archive.reading() as session:
        return _get(session, peer_id)


def list_peers(archive: Archive) -> list[Peer]:
    """Read all peers by AE title."""
    with archive.reading() as session:
        return [_peer(row) for row in session.execute(select(peers).order_by(peers.c.ae_title, peers.c.id)).mappings()]


def add_peer(
    archive: Archive,
    principal: Principal,
    *,
    ae_title: str,
    host: str,
    port: int | None,
    allow: Collection[str],
    tls: bool = False,
    description: str = "",
    ask_commitment: bool = False,
    notify_availability: bool = False,
    operations_window: int = 1,
) -> Peer:
    """Make a peer known.

    Raises
    ------
    NotAllowed, Conflict (AE title and host are there already), Refused (a field is malformed).
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        values = _checked(
            ae_title=ae_title,
            host=host,
            port=port,
            allow=allow,
            tls=tls,
            description=description,
            ask_commitment=ask_commitment,
            notify_availability=notify_availability,
            operations_window=operations_window,
        )
        return _add(session, principal, "peer_add", values)


def update_peer(archive: Archive, principal: Principal, peer_id: int, **changes: Any) -> Peer:
    """Change the named fields of a peer, those of `add_peer`.

    Raises
    ------
    NotAllowed, NotFound, Conflict, Refused.
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        before = _get(session, peer_id)
        fields = {name: getattr(before, name) for name in _FIELDS}
        values = _checked(**(fields | changes))
        try:
            with session.begin_nested():
                session.execute(update(peers).where(peers.c.id == peer_id).values(**values, updated_at=time.time()))
        except IntegrityError as error:
            raise Conflict(f"a peer {values['ae_title']} at {values['host']} is known already") from error
        after = _get(session, peer_id)
        audit.record(
            session,
            principal,
            "peer_change",
            object=after.ae_title,
            detail={"before": _told(before), "after": _told(after)},
        )
        publish(session, "peer", after.ae_title)
        return after


def remove_peer(archive: Archive, principal: Principal, peer_id: int) -> None:
    """Forget a peer: it is refused from its next association on.

    Raises
    ------
    NotAllowed, NotFound.
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        peer = _get(session, peer_id)
        session.execute(delete(peers).where(peers.c.id == peer_id))
        audit.record(session, principal, "peer_remove", object=peer.ae_title, detail={"before": _told(peer)})
        publish(session, "peer", peer.ae_title)


def remember_unknown(
    session: Connection, ae_title: str, address: str, called_ae_title: str, reason: str, proposed: Sequence[str]
) -> None:
    """Note that a stranger was refused, for the administrator to admit or to worry about.

    The number of strangers is bounded, and so are the rows of the trail: one per address and day.
    """
    now = time.time()
    values: dict[str, Any] = {
        "ae_title": _printable(ae_title)[:64],
        "address": address[:64],
        "called_ae_title": _printable(called_ae_title)[:64],
        "reason": reason,
        "proposed": json.dumps(list(dict.fromkeys(proposed))[:128]),
        "times": 1,
        "first_seen_at": now,
        "last_seen_at": now,
    }
    _tell_of_stranger(session, values["ae_title"], values["address"], now)
    statement = insert_for(session)(unknown_peers).values(values)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["ae_title", "address"],
            set_={"times": unknown_peers.c.times + 1}
            | {name: statement.excluded[name] for name in ("called_ae_title", "reason", "proposed", "last_seen_at")},
        )
    )
    count = session.execute(select(func.count()).select_from(unknown_peers)).scalar_one()
    if count > UNKNOWN_PEERS_MAX:
        oldest = select(unknown_peers.c.id).order_by(unknown_peers.c.last_seen_at).limit(count - UNKNOWN_PEERS_MAX)
        session.execute(delete(unknown_peers).where(unknown_peers.c.id.in_(oldest)))
    stranger = Principal("peer", None, values["ae_title"], frozenset(), frozenset(), values["address"], "dimse")
    day = int(now // 86400)
    audit.record_repeated(
        session, stranger, "association", request=f"unknown:{values['address']}:{day}", detail={"reason": reason}
    )


def _tell_of_stranger(session: Connection, ae_title: str, address: str, now: float) -> None:
    same = (unknown_peers.c.ae_title == ae_title, unknown_peers.c.address == address)
    last_at = session.execute(select(unknown_peers.c.last_seen_at).where(*same)).scalar_one_or_none()
    if last_at is None or now - last_at >= STRANGER_TOLD_S:
        publish(session, "peer_unknown", ae_title)


def list_unknown(archive: Archive) -> list[UnknownPeer]:
    """Read the strangers, the latest first."""
    with archive.reading() as session:
        rows = session.execute(select(unknown_peers).order_by(unknown_peers.c.last_seen_at.desc())).mappings()
        return [_unknown(row) for row in rows]


def admit(
    archive: Archive,
    principal: Principal,
    unknown_id: int,
    *,
    host: str | None = None,
    allow: Collection[str] = ("echo", "store"),
    **more: Any,
) -> Peer:
    """Make a stranger a known peer, at the address it came from unless `host` says another; `more` as in `add_peer`.

    Raises
    ------
    NotAllowed, NotFound, Conflict, Refused.
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        unknown = _get_unknown(session, unknown_id)
        fields: dict[str, Any] = {"port": None, "tls": False, "description": "", **more}
        values = _checked(ae_title=unknown.ae_title, host=host or unknown.address, allow=allow, **fields)
        peer = _add(session, principal, "peer_admit", values)
        session.execute(delete(unknown_peers).where(unknown_peers.c.id == unknown_id))
        publish(session, "peer_unknown", unknown.ae_title)
        return peer


def forget_unknown(archive: Archive, principal: Principal, unknown_id: int) -> None:
    """Strike a stranger from the list; it is noted anew when it calls again.

    Raises
    ------
    NotAllowed, NotFound.
    """
    require(principal, Action.ADMINISTER)
    with archive.transaction() as session:
        unknown = _get_unknown(session, unknown_id)
        session.execute(delete(unknown_peers).where(unknown_peers.c.id == unknown_id))
        audit.record(session, principal, "peer_forget", object=f"{unknown.ae_title} at {unknown.address}")
        publish(session, "peer_unknown", unknown.ae_title)


def _get(session: Connection, peer_id: int) -> Peer:
    row = session.execute(select(peers).where(peers.c.id == peer_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no peer {peer_id}")
    return _peer(row)


def _get_unknown(session: Connection, unknown_id: int) -> UnknownPeer:
    row = session.execute(select(unknown_peers).where(unknown_peers.c.id == unknown_id)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no unknown peer {unknown_id}")
    return _unknown(row)


def _add(session: Connection, principal: Principal, action: str, values: dict[str, Any]) -> Peer:
    now = time.time()
    try:
        with session.begin_nested():
            key = session.execute(
                insert(peers).values(**values, created_at=now, updated_at=now).returning(peers.c.id)
            ).scalar_one()
    except IntegrityError as error:
        raise Conflict(f"a peer {values['ae_title']} at {values['host']} is known already") from error
    peer = _get(session, key)
    audit.record(session, principal, action, object=peer.ae_title, detail={"after": _told(peer)})
    publish(session, "peer", peer.ae_title)
    return peer


_FIELDS: Final = (
    "ae_title",
    "host",
    "port",
    "allow",
    "tls",
    "description",
    "ask_commitment",
    "notify_availability",
    "operations_window",
)


def _checked(
    *,
    ae_title: str,
    host: str,
    port: int | None,
    allow: Collection[str],
    tls: bool,
    description: str,
    ask_commitment: bool = False,
    notify_availability: bool = False,
    operations_window: int = 1,
) -> dict[str, Any]:
    """Check the fields of a peer and give them in the form of the table (AE: PS3.5 table 6.2-1)."""
    title = ae_title.strip(" ")
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise Refused(f"{ae_title!r} is no AE title: 1 to 16 printable ASCII characters without backslash")
    strange = set(allow) - PEER_SERVICES
    if strange:
        raise Refused(
            f"{', '.join(sorted(strange))}: no such service; a peer can be allowed {', '.join(sorted(PEER_SERVICES))}"
        )
    if port is not None and not 1 <= port <= 65535:
        raise Refused(f"{port} is no port: 1 to 65535")
    if len(description) > 255 or not description.isprintable():
        raise Refused("a description has at most 255 printable characters")
    if not 1 <= operations_window <= OPERATIONS_WINDOW_MAX:
        raise Refused(f"a window of {operations_window} operations: 1 (one by one) to {OPERATIONS_WINDOW_MAX}")
    return {
        "ae_title": title,
        "host": _checked_host(host.strip()),
        "port": port,
        "allow": " ".join(sorted(set(allow))),
        "tls": tls,
        "description": description,
        "ask_commitment": ask_commitment,
        "notify_availability": notify_availability,
        "operations_window": operations_window,
    }


def _checked_host(host: str) -> str:
    address = _address(host)
    if address is not None:
        return str(address)
    if "/" in host:
        try:
            return str(ipaddress.ip_network(host, strict=False))
        except ValueError as error:
            raise Refused(f"{host!r} is no network, for example 10.1.2.0/24") from error
    if not _HOST_NAME.fullmatch(host) or re.fullmatch(r"[0-9.]+", host):
        raise Refused(f"{host!r} is no IP address, host name or network (10.1.2.0/24)")
    return host.lower()


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an IP address; one of IPv4 in the dress of IPv6 (::ffff:10.0.0.1) is undressed, a zone is dropped."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _closeness(host: str, address: str) -> int:
    """Rank how `host` matches `address`: 3 the address itself, 2 its name, 1 its network, 0 not at all."""
    caller = _address(address)
    if caller is None:
        return 0
    if "/" in host:
        return 1 if caller in ipaddress.ip_network(host) else 0
    known = _address(host)
    if known is not None:
        return 3 if known == caller else 0
    return 2 if str(caller) in _resolve(host) else 0


_resolved: dict[str, tuple[float, frozenset[str]]] = {}
_resolving = threading.Lock()


def _resolve(host: str) -> frozenset[str]:
    """Look a host name up, at most once in `RESOLVED_S`; a name that does not resolve has no address."""
    now = time.monotonic()
    with _resolving:
        until, addresses = _resolved.get(host, (0.0, frozenset()))
    if now < until:
        return addresses
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        addresses, keep_s = frozenset(str(_address(str(entry[4][0]))) for entry in found), RESOLVED_S
    except (OSError, UnicodeError):
        addresses, keep_s = frozenset(), UNRESOLVED_S
    with _resolving:
        if len(_resolved) >= RESOLVED_NAMES_MAX:
            _resolved.clear()
        _resolved[host] = now + keep_s, addresses
    return addresses


def _printable(ae_title: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in ae_title.strip(" "))


def _told(peer: Peer) -> dict[str, Any]:
    told = asdict(peer)
    return {name: told[name] for name in _FIELDS} | {"allow": sorted(peer.allow)}


def _peer(row: RowMapping) -> Peer:
    return Peer(**{**row, "allow": frozenset(row["allow"].split())})


def _unknown(row: RowMapping) -> UnknownPeer:
    return UnknownPeer(**{**row, "proposed": tuple(json.loads(row["proposed"]))})
