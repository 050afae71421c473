"""TLS for associations as BCP 195 (RFC 9325) and PS3.15 B.12 ask: 1.2 or newer, both sides show a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from filmless.errors import Refused

# Forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has no others.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK"


def _harden(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def server_context(certificate: Path, key: Path | None, authorities: Path) -> ssl.SSLContext:
    """Context of a listener; a peer must show a certificate that `authorities` signed.

    Raises
    ------
    Refused: a file is missing or holds no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _harden(_load(context, certificate, key, authorities))


def client_context(
    certificate: Path | None, key: Path | None, authorities: Path | None, *, check_hostname: bool = True
) -> ssl.SSLContext:
    """Context of a connection that we open; without `authorities` the system's are trusted.

    Raises
    ------
    Refused: a file is missing or holds no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    if authorities is None:
        context.load_default_certs()
    return _harden(_load(context, certificate, key, authorities))


def _load(
    context: ssl.SSLContext, certificate: Path | None, key: Path | None, authorities: Path | None
) -> ssl.SSLContext:
    try:
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"TLS: no certificate with its key can be read from {certificate} and {key}: {error}") from error
    try:
        if authorities is not None:
            context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise Refused(f"TLS: no authorities can be read from {authorities}: {error}") from error
    return context
