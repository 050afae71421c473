"""Known peers and strangers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from callers import principal_of
from filmless.access import audit, peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive
from filmless.errors import Conflict, NotAllowed, NotFound, Refused

CLI = SYSTEM("cli")


def add(archive: Archive, ae_title: str = "CT1", host: str = "192.0.2.9", **others: Any) -> peers.Peer:
    return peers.add_peer(
        archive, CLI, **({"ae_title": ae_title, "host": host, "port": 104, "allow": ["store"]} | others)
    )


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A name service: what others run."""
    names: dict[str, str] = {}

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        if host not in names:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (names[host], 0))]

    peers._resolved.clear()
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_a_peer_is_known_by_its_title_and_address_together(archive: Archive) -> None:
    peer = add(archive)

    assert peers.find_peer(archive, "CT1", "192.0.2.9") == peer
    assert peers.find_peer(archive, "CT1", "192.0.2.10") is None
    assert peers.find_peer(archive, "CT2", "192.0.2.9") is None
    assert peers.find_peer(archive, "ct1", "192.0.2.9") is None


def test_blanks_around_a_title_do_not_matter(archive: Archive) -> None:
    peer = add(archive, ae_title=" CT1 ")

    assert peer.ae_title == "CT1"
    assert peers.find_peer(archive, "CT1             ", "192.0.2.9") == peer


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_peer_may_be_anywhere_in_its_network(archive: Archive, address: str) -> None:
    peer = add(archive, host="10.1.0.0/16")

    assert peers.find_peer(archive, "CT1", address) == peer
    assert peers.find_peer(archive, "CT1", "10.2.0.1") is None


def test_ipv6_addresses_are_compared_as_addresses(archive: Archive) -> None:
    peer = add(archive, host="2001:DB8:0::1")

    assert peer.host == "2001:db8::1"
    assert peers.find_peer(archive, "CT1", "2001:0db8::0001%eth0") == peer


def test_a_host_name_is_resolved_when_the_peer_calls(archive: Archive, resolver: dict[str, str]) -> None:
    peer = add(archive, host="Ct1.Hospital.example")
    resolver["ct1.hospital.example"] = "192.0.2.33"

    assert peers.find_peer(archive, "CT1", "192.0.2.33") == peer
    assert peers.find_peer(archive, "CT1", "192.0.2.34") is None


def test_a_host_name_that_does_not_resolve_matches_nobody(archive: Archive, resolver: dict[str, str]) -> None:
    add(archive, host="gone.example")

    assert peers.find_peer(archive, "CT1", "192.0.2.33") is None


def test_the_closest_entry_wins(archive: Archive, resolver: dict[str, str]) -> None:
    resolver["ct1.example"] = "10.0.0.5"
    add(archive, host="10.0.0.0/8", allow=["echo"])
    named = add(archive, host="ct1.example", allow=["query"])
    exact = add(archive, host="10.0.0.6", allow=["store"])

    assert peers.find_peer(archive, "CT1", "10.0.0.5") == named
    assert peers.find_peer(archive, "CT1", "10.0.0.6") == exact
    assert peers.find_peer(archive, "CT1", "10.0.0.7").allow == {"echo"}  # type: ignore[union-attr]


def test_its_principal_carries_only_what_the_entry_allows(archive: Archive) -> None:
    principal = add(archive, allow=["store", "echo"]).principal(address="192.0.2.9")

    assert (principal.kind, principal.name, principal.rights) == ("peer", "CT1", {"store", "echo"})


def test_a_destination_needs_an_address_and_a_port(archive: Archive) -> None:
    add(archive, ae_title="A", host="10.0.0.0/8")
    add(archive, ae_title="A", host="10.0.0.1", port=None)
    callable_peer = add(archive, ae_title="A", host="10.0.0.2")
    add(archive, ae_title="B", host="10.0.0.3", port=None)

    assert peers.find_destination(archive, "A") == callable_peer
    assert peers.find_destination(archive, "B") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ae_title": ""},
        {"ae_title": "SEVENTEEN_LETTERS"},
        {"ae_title": "A\\B"},
        {"ae_title": "A\nB"},
        {"ae_title": "Ä"},
        {"host": "300.1.1.1"},
        {"host": "10.0.0.0/33"},
        {"host": "two words"},
        {"host": "-"},
        {"host": ""},
        {"port": 0},
        {"port": 65536},
        {"allow": ["store", "delete"]},
        {"description": "x" * 256},
        {"description": "two\nlines"},
    ],
)
def test_a_malformed_peer_is_refused(archive: Archive, wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        add(archive, **wrong)


def test_one_title_at_one_address_is_one_peer(archive: Archive) -> None:
    add(archive)

    with pytest.raises(Conflict):
        add(archive, host=" 192.0.2.9")


def test_a_change_is_obeyed_at_once_and_told_before_and_after(archive: Archive) -> None:
    peer = add(archive)

    peers.update_peer(archive, principal_of("administrator"), peer.id, allow=["query"], port=None)

    found = peers.find_peer(archive, "CT1", "192.0.2.9")
    assert found is not None
    assert (found.allow, found.port, found.host) == ({"query"}, None, "192.0.2.9")
    row = audit.read(archive, action="peer_change")[0][0]
    assert '"allow": ["store"]' in (row.detail or "")
    assert '"allow": ["query"]' in (row.detail or "")


def test_a_removed_peer_is_a_stranger(archive: Archive) -> None:
    peer = add(archive)

    peers.remove_peer(archive, CLI, peer.id)

    assert peers.find_peer(archive, "CT1", "192.0.2.9") is None
    with pytest.raises(NotFound):
        peers.get_peer(archive, peer.id)


def test_the_number_of_a_removed_peer_is_not_given_to_another(archive: Archive) -> None:
    first = add(archive)
    peers.remove_peer(archive, CLI, first.id)

    assert add(archive).id != first.id


@pytest.mark.parametrize("role", ["radiologist", "technologist", "clinician"])
def test_only_an_administrator_changes_peers(archive: Archive, role: str) -> None:
    peer = add(archive)

    with pytest.raises(NotAllowed):
        peers.add_peer(archive, principal_of(role), ae_title="X", host="10.0.0.1", port=None, allow=[])
    with pytest.raises(NotAllowed):
        peers.update_peer(archive, principal_of(role), peer.id, port=1)
    with pytest.raises(NotAllowed):
        peers.remove_peer(archive, principal_of(role), peer.id)
    with pytest.raises(NotAllowed):
        peers.admit(archive, principal_of(role), 1)
    with pytest.raises(NotAllowed):
        peers.forget_unknown(archive, principal_of(role), 1)


def knock(archive: Archive, ae_title: str = "MR9", address: str = "192.0.2.50") -> None:
    with archive.transaction() as session:
        peers.remember_unknown(session, ae_title, address, "FILMLESS", "unknown AE title", ["1.2.840.10008.1.1"])


def test_a_stranger_is_remembered_with_how_often_it_came(archive: Archive) -> None:
    knock(archive)
    knock(archive)

    [unknown] = peers.list_unknown(archive)
    assert (unknown.ae_title, unknown.address, unknown.times) == ("MR9", "192.0.2.50", 2)
    assert (unknown.called_ae_title, unknown.reason) == ("FILMLESS", "unknown AE title")
    assert unknown.proposed == ("1.2.840.10008.1.1",)


def test_a_strangers_refusals_of_a_day_share_one_row_of_the_trail(archive: Archive) -> None:
    for number in range(5):
        knock(archive, ae_title=f"X{number}")

    rows, _ = audit.read(archive, action="association")
    assert [(row.outcome, row.count, row.address) for row in rows] == [("refused", 5, "192.0.2.50")]


def test_strangers_are_bounded_and_the_latest_are_kept(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "UNKNOWN_PEERS_MAX", 3)

    for number in range(6):
        knock(archive, ae_title=f"X{number}")

    assert {unknown.ae_title for unknown in peers.list_unknown(archive)} == {"X3", "X4", "X5"}


def test_a_title_with_control_characters_is_remembered_harmlessly(archive: Archive) -> None:
    knock(archive, ae_title="A\x00\x1b[31mB")

    assert peers.list_unknown(archive)[0].ae_title == "A??[31mB"


def test_an_admitted_stranger_is_known_at_its_address(archive: Archive) -> None:
    knock(archive)
    [unknown] = peers.list_unknown(archive)

    peer = peers.admit(archive, principal_of("administrator"), unknown.id, port=104, allow=["echo", "store"])

    assert peers.find_peer(archive, "MR9", "192.0.2.50") == peer
    assert peers.list_unknown(archive) == []
    assert [row.action for row in audit.read(archive, actor="some administrator")[0]] == ["peer_admit"]


def test_a_forgotten_stranger_is_off_the_list(archive: Archive) -> None:
    knock(archive)

    peers.forget_unknown(archive, CLI, peers.list_unknown(archive)[0].id)

    assert peers.list_unknown(archive) == []
