"""TLS on both sides (BCP 195): 1.2 or newer, certificates of both, host names."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import make_certificate
from filmless.dimse import tls
from filmless.dimse.client import Requestor, connect
from filmless.dimse.limits import Limits
from filmless.errors import Refused, Unavailable
from wire import CT, EXPLICIT_LE, VERIFICATION, Raw, Scp, run


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Certificates of an authority, a server and a client it signed, and of a stranger."""
    make_certificate(tmp_path, "authority")
    make_certificate(tmp_path, "server", "authority")
    make_certificate(tmp_path, "client", "authority")
    make_certificate(tmp_path, "elsewhere", "authority", "192.0.2.1")
    make_certificate(tmp_path, "stranger")
    return tmp_path


def server_tls(folder: Path, name: str = "server") -> ssl.SSLContext:
    return tls.server_context(folder / f"{name}.pem", folder / f"{name}.key", folder / "authority.pem")


def client_tls(folder: Path, name: str = "client", **more: bool) -> ssl.SSLContext:
    return tls.client_context(folder / f"{name}.pem", folder / f"{name}.key", folder / "authority.pem", **more)


def ask(port: int, context: ssl.SSLContext | None) -> Requestor:
    return connect(
        "127.0.0.1",
        port,
        called_ae="A",
        calling_ae="B",
        contexts=[(VERIFICATION, [EXPLICIT_LE]), (CT, [EXPLICIT_LE])],
        tls=context,
        limits=Limits(artim_timeout_s=2, network_timeout_s=5),
    )


def test_both_sides_show_certificates_and_data_passes(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    data = bytes(range(256)) * 20_000
    with ask(listening.port, client_tls(certificates)) as association:
        assert association.echo() == 0
        assert association.store(CT, "1.2.3", EXPLICIT_LE, data) == 0
    assert listening.stored[0].data == data
    caller = listening.callers[0]
    assert caller.is_tls
    shown = x509.load_pem_x509_certificate((certificates / "client.pem").read_bytes())
    assert caller.certificate == shown.public_bytes(serialization.Encoding.DER)


def test_a_client_of_another_authority_is_refused(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    with pytest.raises(Unavailable):
        ask(listening.port, client_tls(certificates, "stranger"))
    assert listening.callers == []


def test_a_client_without_a_certificate_is_refused(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    with pytest.raises(Unavailable):
        ask(listening.port, tls.client_context(None, None, certificates / "authority.pem"))
    assert listening.callers == []


def test_a_client_without_tls_is_refused(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    with pytest.raises(Unavailable):
        ask(listening.port, None)
    assert listening.callers == []


def test_a_server_under_another_address_is_refused_unless_names_are_not_checked(
    scp: Callable[..., Scp], certificates: Path
) -> None:
    listening = scp(tls=server_tls(certificates, "elsewhere"))
    with pytest.raises(Unavailable, match=r"127.0.0.1"):
        ask(listening.port, client_tls(certificates))
    with ask(listening.port, client_tls(certificates, check_hostname=False)) as association:
        assert association.echo() == 0


def test_a_server_of_another_authority_is_refused(scp: Callable[..., Scp], certificates: Path) -> None:
    context = tls.server_context(
        certificates / "stranger.pem", certificates / "stranger.key", certificates / "authority.pem"
    )
    with pytest.raises(Unavailable, match="certificate"):
        ask(scp(tls=context).port, client_tls(certificates))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_tls_1_1_is_refused(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", listening.port)) as sock, pytest.raises(ssl.SSLError):
        old.wrap_socket(sock)


def test_a_silent_handshake_is_ended_by_artim(
    scp: Callable[..., Scp], raw: Callable[..., Raw], certificates: Path
) -> None:
    listening = scp(tls=server_tls(certificates), limits=Limits(artim_timeout_s=0.3))
    assert raw(listening).is_closed()
    listening.wait_until_quiet()


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"nothing.pem"):
        tls.server_context(tmp_path / "nothing.pem", None, tmp_path / "nothing.pem")


def test_dcmtk_echoes_over_tls(scp: Callable[..., Scp], certificates: Path) -> None:
    listening = scp(tls=server_tls(certificates))
    done = run(
        "echoscu", "-v", "+tls", certificates / "client.key", certificates / "client.pem",
        "+cf", certificates / "authority.pem", "127.0.0.1", listening.port,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
