"""Every fault that Filmless can name: what it means for whom and what to do. `docs/operating.md` lists them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. `title` may be told to anyone: it has no address, name or path in it."""

    level: Level
    subject: str
    title: str
    means: str
    what_to_do: str
    stops_service: bool = False  # /readyz answers 503
    is_fleeting: bool = False  # believed when two looks in a row find it


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `what` has the details; `since` is None when nobody can tell."""

    level: Level
    subject: str
    what: str
    what_to_do: str = ""
    code: str = ""  # of FAULTS; empty when it is well
    key: str = ""  # tells the findings of one code apart
    since: float | None = None

    @property
    def means(self) -> str:
        """What the fault means, and for whom."""
        return FAULTS[self.code].means if self.code else ""


def well(subject: str, what: str) -> Finding:
    """Something that was looked at and is well."""
    return Finding("ok", subject, what)


def broken(
    code: str, what: str, *, what_to_do: str = "", key: str = "", since: float | None = None, subject: str = ""
) -> Finding:
    """A fault that was found; level, subject and advice are those of its code unless given."""
    fault = FAULTS[code]
    return Finding(fault.level, subject or fault.subject, what, what_to_do or fault.what_to_do, code, key, since)


_READING = "Studies can be read as long as the trail of who reads them can be written."
_STORING = "Scanners are told to try again and keep what they could not send."

FAULTS: Final[dict[str, Fault]] = {
    "database_away": Fault(
        "problem",
        "database",
        "The database does not answer.",
        f"Nobody can search, open or store anything. {_STORING} Nothing that was acknowledged is lost.",
        "Start the database or mend the network to it. Filmless goes on by itself when it answers.",
        stops_service=True,
    ),
    "database_refuses_writes": Fault(
        "problem",
        "database",
        "The database answers but takes no changes.",
        f"Nothing is stored, nobody can sign in, and no further study be opened. {_STORING}",
        "See whether the disk of the database is full, whether it is a read-only copy, or whether another program "
        "holds it locked.",
        stops_service=True,
    ),
    "database_slow": Fault(
        "warning",
        "database",
        "The database answers slowly.",
        "Lists open late, and scanners send more slowly.",
        "Look at the load and the disk of the database.",
        is_fleeting=True,
    ),
    "database_damaged": Fault(
        "problem",
        "database",
        "The database is damaged.",
        "Some studies may not be found. The images themselves lie beside it and are not touched.",
        "Stop Filmless and run 'filmless reindex': the blobs are the truth.",
    ),
    "blobs_away": Fault(
        "problem",
        "blobs",
        "The store of the images does not answer.",
        f"Lists and reports open, images do not. {_STORING} Nothing that was acknowledged is lost.",
        "Start the object store, or mount the disk, or mend the network and credentials (blobs_ settings). Filmless "
        "goes on by itself when it answers.",
        stops_service=True,
    ),
    "blobs_slow": Fault(
        "warning",
        "blobs",
        "The store of the images answers slowly.",
        "Images open late, and scanners send more slowly.",
        "Look at the load of the object store and at the network to it.",
        is_fleeting=True,
    ),
    "blobs_moving": Fault(
        "warning",
        "blobs",
        "The images are on their way to another store.",
        "Nothing for anybody: they are found in both places. Both must be there.",
        "Run 'filmless migrate-blobs' until it says that all are there; killed or stopped, it goes on.",
    ),
    "database_moving": Fault(
        "warning",
        "database",
        "The database is on its way to a server.",
        "Nothing for anybody: the one here is in use until all is there.",
        "Run 'filmless migrate-database' until it says that it is done; killed or stopped, it goes on. Or end the move "
        "with --give-up: what it writes down here grows with every change.",
    ),
    "disk_away": Fault(
        "problem",
        "disk",
        "The disk of the data folder does not answer.",
        f"Nothing can be stored, and with a local archive nothing can be opened. {_STORING}",
        "Mount the disk, or mend it; look into the system's log.",
        stops_service=True,
    ),
    "disk_full": Fault(
        "problem",
        "disk",
        "The disk of the data folder is full.",
        f"Nothing new is stored. {_STORING} {_READING}",
        "Make room or enlarge the disk; reception goes on by itself.",
        stops_service=True,
    ),
    "disk_nearly_full": Fault(
        "warning",
        "disk",
        "The disk of the data folder is nearly full.",
        "Nothing yet. When it is full, nothing new is stored.",
        "Plan for more room.",
    ),
    "disk_read_only": Fault(
        "problem",
        "disk",
        "Nothing can be written to the disk of the data folder.",
        f"Nothing new is stored. {_STORING} {_READING}",
        "A system makes a disk read-only when it fails: look into the system's log. Else give the user that runs "
        "Filmless the right to write there.",
        stops_service=True,
    ),
    "disk_unsafe": Fault(
        "problem",
        "disk",
        "The database lies on a network disk.",
        "Its locks do not hold there: it may be damaged when two processes write.",
        "Keep the data folder on a local disk, or set database_url to PostgreSQL.",
    ),
    "clock_wrong": Fault(
        "problem",
        "clock",
        "A clock is wrong.",
        "Times of arrival and of the audit trail are wrong, and jobs may start too late. Nothing is lost.",
        "Set up NTP or chrony on every machine.",
    ),
    "process_missing": Fault(
        "problem",
        "processes",
        "A part of Filmless does not run.",
        "Without a DICOM listener scanners are not answered; without a worker nothing is sent, verified or tidied.",
        "Start it on some machine: 'filmless serve', or 'filmless serve --role ...'. Its log says why it ended.",
    ),
    "process_silent": Fault(
        "warning",
        "processes",
        "A process has given no sign of life.",
        "Others do its work meanwhile; jobs that it had are taken over.",
        "See whether its machine runs and reaches the database. It is forgotten after an hour.",
    ),
    "jobs_parked": Fault(
        "warning",
        "jobs",
        "Jobs were given up.",
        "What they were to do, such as sending a study, has not happened.",
        "See Administration, Jobs: mend the cause, then retry them.",
    ),
    "jobs_late": Fault(
        "warning",
        "jobs",
        "Jobs wait for too long.",
        "Studies are sent and packed late.",
        "Start more workers, or see which peer does not take what it is sent.",
    ),
    "jobs_paused": Fault(
        "warning",
        "jobs",
        "Jobs are paused.",
        "What waits in that queue is not done until somebody resumes it.",
        "See Administration, Jobs: resume the queue when the reason is gone.",
    ),
    "peer_unreachable": Fault(
        "warning",
        "peers",
        "A peer cannot be reached.",
        "Nothing can be sent to it; what is to be sent waits.",
        "Check that it runs, its address, port and AE title, and that it knows ours.",
    ),
    "peers_missing": Fault(
        "warning",
        "peers",
        "No peer is admitted.",
        "Scanners are refused.",
        "Administration, Peers, or 'filmless peer add'.",
    ),
    "people_missing": Fault(
        "warning",
        "people",
        "Nobody administers.",
        "Nobody can admit people or scanners at the screen.",
        "Open the setup link that 'filmless serve' prints, or run 'filmless user add'.",
    ),
    "damaged": Fault(
        "problem",
        "damaged",
        "Images are damaged.",
        "They are not shown: what would be seen is not what was sent.",
        "Check the disk. Restore the files from a backup, or have the studies sent again.",
    ),
    "missing": Fault(
        "problem",
        "missing",
        "Images are missing.",
        "They are listed but cannot be shown.",
        "Check that the disk is there. Restore the files from a backup, or have the studies sent again.",
    ),
    "replica": Fault(
        "problem",
        "replica",
        "The replica of the images cannot be used.",
        "Images that are damaged now cannot be repaired from it. If it is synchronous, nothing is stored unless "
        "replica_away says otherwise.",
        "Mend its disk, its bucket or the network to it: what waits for it is brought over by itself.",
    ),
    "replica_behind": Fault(
        "warning",
        "replica",
        "The replica of the images lags behind.",
        "What has not been copied yet exists once.",
        "Make sure that a worker runs, and that the replica is fast enough.",
    ),
    "commitment": Fault(
        "problem",
        "commitment",
        "A peer does not vouch for what it was sent.",
        "It may not have it: do not delete it here.",
        "Send the study again.",
    ),
    "webhook": Fault(
        "warning",
        "webhook",
        "A receiver of events cannot be reached or refuses them.",
        "The system behind it does not hear what happens here. Its events wait as long as event_keep_s.",
        "Mend the receiver, or disable the webhook.",
    ),
    "scrub": Fault(
        "problem",
        "scrub",
        "The kept bytes are not verified as they should be.",
        "Damage would be found late.",
        "See the scrub_ settings.",
    ),
    "scrub_late": Fault(
        "warning",
        "scrub",
        "The verification of the kept bytes is late, or off.",
        "Damage would be found late.",
        "Make sure that a worker runs; set scrub_bytes_per_s higher, or above 0.",
    ),
    "sweep_late": Fault(
        "warning",
        "sweep",
        "The sweep for leftovers is late.",
        "What a crash left takes room, and is not adopted.",
        "Make sure that a worker runs, and see Administration, Jobs, for its error.",
    ),
    "certificate_bad": Fault(
        "problem",
        "TLS",
        "A certificate cannot be used.",
        "After the next start nobody can connect over TLS.",
        "Give a PEM certificate chain and its unencrypted PKCS#8 key.",
    ),
    "certificate_expired": Fault(
        "problem",
        "TLS",
        "A certificate has expired.",
        "Browsers warn, or peers refuse to connect.",
        "Put a new certificate in its place and restart Filmless.",
    ),
    "certificate_expiring": Fault(
        "warning",
        "TLS",
        "A certificate will expire soon.",
        "Nothing yet. From that day browsers warn, or peers refuse to connect.",
        "Put a new certificate in its place and restart Filmless.",
    ),
    "other": Fault(
        "problem",
        "problems",
        "Something needs a person.",
        "What it means is said with it.",
        "See Administration.",
    ),
    "http_open": Fault(
        "warning",
        "http TLS",
        "The web server is open to the network without TLS.",
        "Passwords and images travel in the clear.",
        "Set http_tls_certificate and http_tls_key, or put a proxy with TLS in front and set public_url.",
    ),
}
