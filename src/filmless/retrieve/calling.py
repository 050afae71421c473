"""Calls peers: an association as their entry says, and the C-ECHO that tells in words what is wrong."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from filmless.access.peers import Peer
from filmless.config import Settings
from filmless.dicom.syntaxes import EXPLICIT_LE, IMPLICIT_LE
from filmless.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from filmless.dimse import client, commands, pdus, tls
from filmless.errors import FilmlessError, NotAcceptable, NotFound, Refused, Unavailable

IDENTIFIER_SYNTAXES = (EXPLICIT_LE, IMPLICIT_LE)
"""Transfer syntaxes of what is no instance: identifiers, attributes, event information."""


@dataclass(frozen=True, slots=True)
class EchoResult:
    """How a C-ECHO went, in a sentence for people."""

    ok: bool
    message: str
    duration_ms: float


def client_tls(settings: Settings) -> ssl.SSLContext:
    """TLS of the associations that we ask for: our certificate, the same authorities as our listener's.

    Raises
    ------
    Refused: a file of the settings cannot be used.
    """
    return tls.client_context(
        settings.dicom_tls_certificate,
        settings.dicom_tls_key,
        settings.dicom_tls_ca,
        check_hostname=settings.dicom_tls_check_host,
    )


def open_association(
    settings: Settings,
    peer: Peer,
    contexts: Sequence[tuple[str, Sequence[str]]],
    *,
    roles: Sequence[pdus.RoleSelection] = (),
) -> client.Requestor:
    """Open an association with a peer as it is entered in our list.

    Raises
    ------
    Refused, Unavailable: as `dimse.client.connect`, and when the peer has no single address.
    """
    if peer.port is None or not peer.can_be_called:
        raise Refused(f"{peer.ae_title} has no single address and port to connect to")
    return client.connect(
        peer.host,
        peer.port,
        called_ae=peer.ae_title,
        calling_ae=settings.ae_title,
        contexts=contexts,
        tls=client_tls(settings) if peer.tls else None,
        limits=settings.dimse_limits(),
        implementation=(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME),
        roles=roles,
        operations_window=None if peer.operations_window == 1 else (peer.operations_window, 1),
    )


def echo(settings: Settings, peer: Peer) -> EchoResult:
    """Call a peer and say in plain words how that went; never raises for what the peer does."""
    began = time.monotonic()
    try:
        ok, message = _echo(settings, peer)
    except FilmlessError as error:
        ok, message = False, _explain(error, settings, peer)
    return EchoResult(ok, message, (time.monotonic() - began) * 1000)


def _echo(settings: Settings, peer: Peer) -> tuple[bool, str]:
    with open_association(settings, peer, [(client.VERIFICATION, [IMPLICIT_LE])]) as association:
        try:
            status = association.echo()
        except NotAcceptable:
            return False, f"{peer.ae_title} accepts our association, but does not allow us the C-ECHO"
    if status != commands.SUCCESS:
        return False, f"{peer.ae_title} answered the C-ECHO with status 0x{status:04X}"
    return True, f"{peer.ae_title} at {peer.host} port {peer.port} answers"


def _explain(error: FilmlessError, settings: Settings, peer: Peer) -> str:
    where = f"{peer.host} port {peer.port}"
    if isinstance(error, client.Rejected) and error.source == pdus.SOURCE_USER:
        if error.reason == pdus.USER_CALLING_AE_NOT_RECOGNIZED:
            return f"{peer.ae_title} does not know us: enter our AE title {settings.ae_title} and address there"
        if error.reason == pdus.USER_CALLED_AE_NOT_RECOGNIZED:
            return f"what answers at {where} does not call itself {peer.ae_title}: check the AE title"
    if isinstance(error, Unavailable | NotFound | Refused):
        return str(error)[:1].upper() + str(error)[1:]
    return str(error)
