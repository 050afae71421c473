"""The job that calls every peer we send to, so that one which is away is known before somebody needs it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from filmless.access.peers import Peer, list_peers
from filmless.archive import Archive
from filmless.archive.jobs import JobContext
from filmless.archive.problems import list_keys, raise_problem, settle_problem
from filmless.archive.sentences import say
from filmless.health.faults import FAULTS
from filmless.retrieve.calling import EchoResult, echo

KIND: Final = "peer_unreachable"
_CALLS_AT_ONCE: Final = 8


def check_peers(archive: Archive, _args: dict[str, Any], job: JobContext) -> None:
    """Call each peer with a C-ECHO; one that does not answer is a problem until it does, or is no longer ours."""

    def call(peer: Peer) -> EchoResult:
        job.check()
        return echo(archive.settings, peer)

    known = [peer for peer in list_peers(archive) if peer.can_be_called]
    with ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="echo") as calls:
        answers = list(calls.map(call, known))
    with archive.transaction() as session:
        for key in list_keys(session, KIND) - {str(peer.id) for peer in known}:
            settle_problem(session, KIND, key)
        for peer, answer in zip(known, answers, strict=True):
            if answer.ok:
                settle_problem(session, KIND, str(peer.id))
            else:
                address = f"{peer.host}:{peer.port}"
                what = say("peer_unreachable", peer=peer.ae_title, address=address, error=answer.message)
                raise_problem(session, KIND, str(peer.id), what, FAULTS[KIND].what_to_do)
