"""filmless peer ... and filmless send."""

from __future__ import annotations

from typing import Annotated

import typer

from filmless.access import peers
from filmless.access.policy import PEER_SERVICES
from filmless.archive import Archive
from filmless.cli.options import Config, Data, caller, open_archive
from filmless.errors import NotFound, Refused

peer_app = typer.Typer(help="DICOM systems that may talk to us.", no_args_is_help=True)

SERVICES = ", ".join(sorted(PEER_SERVICES))


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(peer_app, name="peer")
    app.command("send")(send_study)


@peer_app.command("add")
def peer_add(
    ae: Annotated[str, typer.Argument(metavar="AE", help="AE title of the peer.")],
    host: Annotated[str, typer.Option(help="Its address: host name, IP address or network (10.1.0.0/16).")],
    port: Annotated[int | None, typer.Option(help="Its DICOM port, to send to it and to move studies there.")] = None,
    allow: Annotated[
        str, typer.Option(help=f"What it may do, comma-separated: {SERVICES}.")
    ] = "echo,store,query,retrieve",
    tls: Annotated[bool, typer.Option("--tls", help="Call it over TLS.")] = False,
    description: Annotated[str, typer.Option(help="What it is, for people.")] = "",
    ask_commitment: Annotated[
        bool, typer.Option("--ask-commitment", help="Ask it for storage commitment of what we send to it.")
    ] = False,
    notify_availability: Annotated[
        bool, typer.Option("--notify-availability", help="Tell it when a study is complete.")
    ] = False,
    operations_window: Annotated[int, typer.Option(help="Instances to send it before it has answered the first.")] = 1,
    data: Data = None,
    config: Config = None,
) -> None:
    """Admit a peer. A running server obeys at once."""
    services = {part.strip() for part in allow.split(",") if part.strip()}
    with open_archive(data, config, is_new=True) as archive:
        peer = peers.add_peer(
            archive,
            caller(),
            ae_title=ae,
            host=host,
            port=port,
            allow=services,
            tls=tls,
            description=description,
            ask_commitment=ask_commitment,
            notify_availability=notify_availability,
            operations_window=operations_window,
        )
    typer.echo(f"added {peer.ae_title} at {peer.host}, allowed: {', '.join(sorted(peer.allow))}")


@peer_app.command("list")
def peer_list(data: Data = None, config: Config = None) -> None:
    """List the peers, one a line: AE title, host, port, TLS, what it may do."""
    with open_archive(data, config) as archive:
        for peer in peers.list_peers(archive):
            fields = (
                peer.ae_title,
                peer.host,
                peer.port or "-",
                "tls" if peer.tls else "plain",
                ",".join(sorted(peer.allow)),
            )
            typer.echo("\t".join(map(str, fields)))


@peer_app.command("echo")
def peer_echo(
    ae: Annotated[str, typer.Argument(metavar="AE", help="AE title of the peer.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Test the connection to a peer with a C-ECHO; exit code 1 when it fails."""
    from filmless.retrieve.calling import echo

    with open_archive(data, config) as archive:
        peer = find(archive, ae)
        result = echo(archive.settings, peer)
    typer.echo(f"{ae}: {result.message} ({result.duration_ms:.0f} ms)")
    if not result.ok:
        raise typer.Exit(1)


def find(archive: Archive, ae: str) -> peers.Peer:
    """Return the peer to call under an AE title.

    Raises
    ------
    NotFound: there is none with a port.
    """
    peer = peers.find_destination(archive, ae)
    if peer is None:
        raise NotFound(f"there is no peer {ae} with a host and port; 'filmless peer list' shows who there is")
    return peer


def send_study(
    ae: Annotated[str, typer.Argument(metavar="AE", help="AE title of the peer to send to.")],
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Study Instance UID.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Send a study to a peer by C-STORE and wait until it is there."""
    from filmless.retrieve.instances import find_instances
    from filmless.retrieve.send import send
    from filmless.routing.ask_commitment import enqueue_questions

    with open_archive(data, config) as archive:
        peer = find(archive, ae)
        instances = list(find_instances(archive, caller(), study_uids=(study,)))
        if not instances:
            raise NotFound(f"there is no study {study}")
        result = send(archive, caller(), peer, instances)
        if peer.ask_commitment:
            arrived = [instance for instance in instances if instance.sop_instance_uid not in result.failures]
            with archive.transaction() as session:
                enqueue_questions(session, peer, arrived)
    typer.echo(f"sent {result.completed} of {len(instances)} instances to {ae}; {result.failed} failed")
    for uid in result.failed_uids:
        typer.echo(f"failed: {uid}", err=True)
    if result.failed:
        raise Refused(f"{ae} did not take {result.failed} instances")
