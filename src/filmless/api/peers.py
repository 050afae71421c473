"""Known peers and strangers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from filmless.access import audit, peers
from filmless.api.callers import Administrator, Here, SenderOrAdministrator
from filmless.api.errors import responses
from filmless.api.models import administration as models
from filmless.api.models.base import Id

router = APIRouter(tags=["peers"])

PeerId = Annotated[Id, Path(alias="peerId")]
UnknownId = Annotated[Id, Path(alias="unknownId")]


@router.get("/peers")
def list_peers(archive: Here, _: SenderOrAdministrator) -> models.Peers:
    """List the known peers."""
    return models.Peers(items=[models.Peer.model_validate(peer) for peer in peers.list_peers(archive)])


@router.post("/peers", status_code=201, responses=responses(409))
def add_peer(archive: Here, principal: Administrator, body: models.NewPeer) -> models.Peer:
    """Make a peer known."""
    return models.Peer.model_validate(peers.add_peer(archive, principal, **body.model_dump()))


@router.get("/peers/unknown")
def list_unknown_peers(archive: Here, _: Administrator) -> models.UnknownPeers:
    """List the strangers that were refused, the latest first."""
    return models.UnknownPeers(
        items=[models.UnknownPeer.model_validate(unknown) for unknown in peers.list_unknown(archive)]
    )


@router.post("/peers/unknown/{unknownId}/admit", status_code=201, responses=responses(404, 409))
def admit_peer(archive: Here, principal: Administrator, unknown_id: UnknownId, body: models.Admission) -> models.Peer:
    """Make a stranger a known peer."""
    return models.Peer.model_validate(peers.admit(archive, principal, unknown_id, **body.model_dump()))


@router.delete("/peers/unknown/{unknownId}", status_code=204, responses=responses(404))
def forget_unknown_peer(archive: Here, principal: Administrator, unknown_id: UnknownId) -> None:
    """Strike a stranger from the list."""
    peers.forget_unknown(archive, principal, unknown_id)


@router.patch("/peers/{peerId}", responses=responses(404, 409))
def change_peer(archive: Here, principal: Administrator, peer_id: PeerId, body: models.PeerChange) -> models.Peer:
    """Change a peer."""
    named = body.model_dump(exclude_unset=True)
    changes = {field: value for field, value in named.items() if value is not None or field == "port"}
    return models.Peer.model_validate(peers.update_peer(archive, principal, peer_id, **changes))


@router.delete("/peers/{peerId}", status_code=204, responses=responses(404))
def remove_peer(archive: Here, principal: Administrator, peer_id: PeerId) -> None:
    """Forget a peer; it is refused from its next association on."""
    peers.remove_peer(archive, principal, peer_id)


@router.post("/peers/{peerId}/echo", responses=responses(404))
def echo_peer(archive: Here, principal: Administrator, peer_id: PeerId) -> models.EchoOutcome:
    """Send a C-ECHO to a peer and say how it went."""
    from filmless.retrieve.calling import echo

    peer = peers.get_peer(archive, peer_id)
    result = echo(archive.settings, peer)
    with archive.transaction() as session:
        outcome: audit.Outcome = "success" if result.ok else "failed"
        audit.record(session, principal, "peer_echo", outcome=outcome, object=peer.ae_title, detail=result.message)
    return models.EchoOutcome.model_validate(result)
