"""What is told of faults and of what is well: each sentence has a code and values, so that the screen can translate it.

A `Said` is its English text, and bears code and values along. Texts of libraries and of peers stand within as they are.
"""

from __future__ import annotations

import json
from typing import Any, Final

SENTENCES: Final[dict[str, str]] = {
    "blobs_answer_late": "{store} took {seconds} s to answer",
    "blobs_left": "not all are in {url} yet",
    "blobs_read": "{store} can be read",
    "blobs_written": "{store} can be written and read",
    "bytes_damaged": "The bytes of instance {instance} of study {study} do not match their digest (blob {blob}). {why}",
    "bytes_damaged_no_study": "The bytes of instance {instance}, which belongs to no study, do not match their digest "
    "(blob {blob}). {why}",
    "bytes_missing": "The bytes of instance {instance} of study {study} are gone (blob {blob}). {why}",
    "bytes_missing_no_study": "The bytes of instance {instance}, which belongs to no study, are gone (blob {blob}). "
    "{why}",
    "certificate_until": "{name}: {certificate} holds until {until}",
    "certificate_well": "certificate and key belong together; it holds until {until}",
    "clock_behind_process": "our clock says {now}, but a process on {host} was alive at {at}",
    "clock_behind_recorded": "our clock says {now}, but an instance was recorded at {at}",
    "clock_of_database": "our clock says {now}, that of the database {at}",
    "clock_says": "{now}",
    "clock_too_early": "it is not {now}",
    "commitment_overdue": "{peer} has not said whether it keeps {count} instances of study {study}",
    "commitment_overdue_do": "See whether {peer} can reach us with storage commitment reports, then send the study "
    "again.",
    "commitment_refused": "{peer} does not keep {count} instances that we sent of study {study} (failure reasons "
    "{reasons})",
    "commitment_refused_do": "Send the study to {peer} again; keep it here until that is committed.",
    "database_answers": "{database} answers",
    "database_answers_late": "it took {seconds} s for a query without tables",
    "database_left": "to {place}: not all is there yet",
    "database_left_old": "to {place}: the old one is not put away yet",
    "disk_network": "{folder} is on {kind}",
    "disk_refuses": "{free} of {total} GiB free at {folder}: nothing new is accepted",
    "disk_room": "{free} of {total} GiB free at {folder}",
    "disk_unwritable": "{folder} cannot be written: {cause}",
    "http_open": "{address} is open to the network without TLS",
    "jobs_given_up": "{count} were given up",
    "jobs_given_up_one": "one was given up",
    "jobs_waiting": "{count} jobs were to run since {at}",
    "jobs_well": "none was given up, none is late",
    "look_failed": "it fails: {error}",
    "look_late": "there was no answer for {seconds} s",
    "look_wrong": "it cannot be looked at: {error}; the log has more",
    "more_problems": "there are {count} more problems",
    "more_problems_do": "Mend the cause of those above first; 'filmless verify' lists all damage.",
    "paused_queue": "the queue {name} is paused",
    "peer_unreachable": "{peer} at {address}: {error}",
    "peers_admitted": "{count} admitted",
    "peers_none": "none is admitted: scanners are refused",
    "people_count": "{count} administrators",
    "people_none": "nobody administers",
    "people_one": "1 administrator",
    "process_missing_dicom": "no DICOM listener runs",
    "process_missing_web": "no web server runs",
    "process_missing_worker": "no worker runs",
    "process_silent_dicom": "the DICOM listener {pid} on {host} was last heard of at {at}",
    "process_silent_web": "the web server {pid} on {host} was last heard of at {at}",
    "process_silent_worker": "the worker {pid} on {host} was last heard of at {at}",
    "process_stuck": "nothing could be written since {at}",
    "processes_run": "{count} run on {hosts} machines",
    "processes_run_one": "{count} run on 1 machine",
    "replica_away": "{error}; {count} blobs wait for it.",
    "replica_away_do": "Mend the disk, the bucket or the network to it (replica_ settings): what waits is brought over "
    "by itself.",
    "replica_filling": "{count} instances wait for {url}; older ones are being brought over",
    "replica_new": "{url} was not made ready yet: a worker does it",
    "replica_waits": "{count} instances wait for {url}",
    "replica_waits_since": "{count} instances wait for {url}, the oldest since {at}",
    "restore_damaged": "Check the disk. Restore the file from a backup, or have the study sent again: that replaces "
    "it.",
    "restore_missing": "Check that the disk is there. Restore the file from a backup, or have the study sent again.",
    "scrub_ended": "the round that began at {began} ended at {ended}: {count} instances, {size} MiB",
    "scrub_halted": "{count} instances are damaged or missing: verification has halted.",
    "scrub_halted_do": "Check that the disk or bucket of the blobs is mounted and whole; verification goes on by "
    "itself once the files are back. 'filmless verify' lists all that is lost.",
    "scrub_off": "kept bytes are never verified: scrub_bytes_per_s is 0",
    "scrub_overdue": "the round that began at {began} is not over ({count} instances)",
    "scrub_slow": "Verifying {size} GiB at {rate} MiB/s takes {days} days, longer than the {allowed} days of "
    "scrub_round_s.",
    "scrub_slow_do": "Set scrub_bytes_per_s to at least {rate}, or scrub_round_s higher.",
    "scrub_under_way": "the round that began at {began} is under way: {count} instances, {size} MiB",
    "scrub_under_way_again": "the round that began at {began} is under way, the last one ended at {ended}: {count} "
    "instances, {size} MiB",
    "sweep_began": "the last one began at {at}",
    "verified": "{count} instances were read at once, until {at}",
    "webhook_failed": "Webhook {number} was not delivered to: {error}.",
    "webhook_failed_do": "Mend the receiver, or disable the webhook. Its events wait as long as event_keep_s.",
    "why_later": "It cannot be repaired now: {error}.",
    "why_no_good_copy": "The replica has no good copy either.",
    "why_no_replica": "There is no replica to repair it from.",
    "why_not_read_back": "The replica has a good copy, but what was written from it cannot be read back.",
    "worker_will": "has not been yet: a worker does it",
    "worker_will_begin": "has not begun yet: a worker does it",
}


class Said(str):
    """A sentence of `SENTENCES`, in English, with what it was made of."""

    code: str
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Give code and values; a value may be a sentence itself."""
        values = {name: each.to_json() if isinstance(each, Said) else each for name, each in self.values.items()}
        return {"code": self.code, "values": values}


def say(code: str, /, **values: Any) -> Said:
    """Say a sentence. Values are numbers, texts, and sentences."""
    said = Said(SENTENCES[code].format(**values).strip())
    said.code, said.values = code, values
    return said


def encode(*texts: str) -> str | None:
    """Keep what sentences were made of; None when none of the texts is one."""
    if not any(isinstance(text, Said) for text in texts):
        return None
    return json.dumps([text.to_json() if isinstance(text, Said) else None for text in texts], ensure_ascii=False)


def decode(kept: str | None, *texts: str) -> tuple[str, ...]:
    """Make texts into the sentences that they were; what no code is known for stays text."""
    parts = json.loads(kept) if kept else [None] * len(texts)
    return tuple(_said(part, text) for part, text in zip(parts, texts, strict=True))


def _said(part: dict[str, Any] | None, text: str) -> str:
    if part is None or part["code"] not in SENTENCES:
        return text
    said = Said(text)
    said.code = part["code"]
    said.values = {name: _said(each, "") if isinstance(each, dict) else each for name, each in part["values"].items()}
    return said
