"""`filmless demo`: an archive of its own, a sign-in made for this run, the server, and the samples arriving live."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys

from filmless.access import people
from filmless.access.principal import SYSTEM
from filmless.app.serving import address_of, run
from filmless.archive import Archive
from filmless.config import Settings, host_and_port

NAME = "demo"
SYLLABLES = ("ka", "lo", "mi", "ne", "ro", "su", "ta", "vi", "zo", "pe", "du", "fa", "gi", "ho", "ju", "be")


def new_password() -> str:
    """Return a password of 48 random bits that can be typed: kalomi-nerosu-tavizo-pedufa."""
    return "-".join("".join(secrets.choice(SYLLABLES) for _ in range(3)) for _ in range(4))


def free_address(address: str) -> str:
    """Return the address, or the next one whose port is free: a demo should not fail on a busy port."""
    host, port = host_and_port(address)
    for candidate in range(port, min(port + 100, 65536)):
        with socket.socket() as probe:
            try:
                probe.bind((host, candidate))
            except OSError:
                continue
            return f"{host}:{candidate}"
    return address


def sign_in_for(archive: Archive) -> str:
    """Make the demo's administrator, or give them a new password; return it."""
    password, system = new_password(), SYSTEM("demo")
    person = people.find_person(archive, NAME)
    if person is None:
        people.add_person(
            archive, system, name=NAME, role="administrator", password=password, display_name="Demo Administrator"
        )
    else:
        people.update_person(archive, system, person.id, password=password)
    return password


def run_demo(settings: Settings) -> int:
    """Serve the demo until told to stop; return the exit code."""
    changes = {"http": free_address(settings.http), "dicom": free_address(settings.dicom)}
    if "log_level" not in settings.model_fields_set:
        changes["log_level"] = "warning"  # the terminal is for the address and the sign-in
    settings = settings.model_copy(update=changes)
    with Archive.open(settings) as archive:
        password = sign_in_for(archive)

    def on_ready() -> None:
        sys.stdout.write(
            f"\nFilmless is ready.\n\n  Open      {address_of(settings)}\n  Name      {NAME}\n  Password  {password}\n"
            f"\n  DICOM     {settings.ae_title} at {settings.dicom} (admit your scanner under Administration, Peers)\n"
            f"\nThe sample studies arrive now; watch the list fill. "
            f"Ctrl+C stops the demo; its data is in {settings.data}.\n\n"
        )
        sys.stdout.flush()
        subprocess.Popen(
            [sys.executable, "-m", "filmless.demo.fill"], env={**os.environ, "FILMLESS_DATA": str(settings.data)}
        )

    return run(settings, on_ready=on_ready)
