"""Puts the DICOM listener together and runs it until told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from filmless.archive import Archive
from filmless.archive.processes import alive
from filmless.config import Settings, host_and_port
from filmless.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from filmless.dimse import tls
from filmless.dimse.server import Listener, Server, listen
from filmless.dimse.services import Handlers
from filmless.errors import Refused, Unavailable
from filmless.scp.associate import authorize
from filmless.scp.commitment import association_over
from filmless.scp.echo import handle_echo
from filmless.scp.get import handle_get
from filmless.scp.move import handle_move
from filmless.scp.normalized import handle_normalized, speak
from filmless.scp.query import handle_query
from filmless.scp.store import handle_store
from filmless.worklist.telling import tell_restarted

log = structlog.get_logger()


def open_listeners(settings: Settings) -> list[Listener]:
    """Open the sockets of the settings; several of our processes may share each.

    Raises
    ------
    Refused: TLS is wanted but not set up. Unavailable: an address cannot be listened on.
    """
    listeners = [_open(settings.dicom, settings)]
    if settings.dicom_tls is not None:
        if settings.dicom_tls_certificate is None or settings.dicom_tls_ca is None:
            raise Refused("dicom_tls needs dicom_tls_certificate and dicom_tls_ca (and dicom_tls_key)")
        context = tls.server_context(settings.dicom_tls_certificate, settings.dicom_tls_key, settings.dicom_tls_ca)
        listeners.append(Listener(_open(settings.dicom_tls, settings).sock, context))
    return listeners


def _open(address: str, settings: Settings) -> Listener:
    host, port = host_and_port(address)
    try:
        return Listener(listen(host, port, reuse_port=settings.dicom_processes > 1))
    except OSError as error:
        raise Unavailable(f"cannot listen for DICOM on {address}: {error.strerror or error}") from error


def create_server(archive: Archive, listeners: Sequence[Listener]) -> Server:
    """Put the services on listening sockets."""
    return Server(
        listeners,
        authorize=partial(authorize, archive),
        handlers=Handlers(
            echo=partial(handle_echo, archive),
            store=partial(handle_store, archive),
            find=partial(handle_query, archive),
            move=partial(handle_move, archive),
            get=partial(handle_get, archive),
            normalized=partial(handle_normalized, archive),
            idle=partial(speak, archive),
        ),
        limits=archive.settings.dimse_limits(),
        implementation=(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME),
        ended=lambda _, admitted: association_over(archive, admitted),
    )


def serve(
    archive: Archive,
    *,
    stop: threading.Event,
    ready: Callable[[], None] | None = None,
    listeners: Sequence[Listener] | None = None,
) -> None:
    """Serve DICOM until `stop` is set, then finish what is under way; `ready` is called once peers are answered.

    Raises
    ------
    Refused, Unavailable: as `open_listeners`.
    """
    server = create_server(archive, open_listeners(archive.settings) if listeners is None else listeners)
    with alive(archive, "dicom") as process:
        tell_restarted(archive, process)
        running = threading.Thread(target=server.run, name="dicom-listener", daemon=True)
        running.start()
        if ready is not None:
            ready()
        stop.wait()
        aborted = server.drain(archive.settings.shutdown_timeout_s)
        running.join()
        if aborted:
            log.warning("associations_aborted_at_stop", number=aborted)
