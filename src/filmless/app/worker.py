"""The worker process: which function each job name stands for, and what runs on a schedule."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from filmless.archive import Archive, feed, jobs
from filmless.archive.jobs import JobContext, Worker
from filmless.archive.metadata import series_quiet
from filmless.archive.processes import alive
from filmless.config import Settings
from filmless.health.peers import check_peers
from filmless.reading.hanging_protocols import forget_job
from filmless.retrieve.make_renditions import make_renditions, trim
from filmless.retrieve.thumbnails import forget_thumbnails
from filmless.routing import ask_commitment, availability, commitment, deliveries, inventory, sending, webhooks
from filmless.store.replicate import REPLICATE_S, replicate_job
from filmless.store.scrub import SLICE_S, scrub_job
from filmless.store.sweep import sweep_job
from filmless.store.trash import empty_trash_job, restore_job, trash_job
from filmless.store.verify import verify_job
from filmless.worklist.reports import SEND_JOB
from filmless.worklist.telling import send_workitem_reports
from filmless.worklist.tidying import tidy_worklist

TIDY_INTERVAL_S = 3600.0

JobFunction = Callable[[Archive, dict[str, Any], JobContext], None]


def run_worker(settings: Settings, ready: Callable[[], None]) -> None:
    """Run jobs until SIGTERM; jobs in hand are finished first."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Archive.open(settings) as archive, alive(archive, "worker"):
        ready()
        watch = threading.Thread(target=deliveries.watch, args=(archive, stop), name="webhooks")
        watch.start()
        make_worker(archive).run(stop)
        watch.join()


def make_worker(archive: Archive) -> Worker:
    """Make a worker that knows every job."""
    settings = archive.settings
    return Worker(
        archive,
        FUNCTIONS,
        schedules={
            "sweep": settings.sweep_interval_s,
            "tidy": TIDY_INTERVAL_S,
            "tidy_worklist": TIDY_INTERVAL_S,
            "scrub": SLICE_S,
            **({"replicate": REPLICATE_S} if settings.replica_url else {}),
            **({"check_peers": settings.peer_check_s} if settings.peer_check_s else {}),
            "empty_trash": TIDY_INTERVAL_S,
        },
        keeps_trying_s=dict.fromkeys(
            ("ask_commitment", "commitment_report", "inventory_report", "notify_availability"),
            settings.commitment_retry_s,
        )
        | {"inventory_produce": settings.inventory_keep_s}
        | {SEND_JOB: settings.workitem_report_keep_s, webhooks.DELIVER: settings.webhook_retry_s},
        # One at a time on all machines: the other threads are for what somebody waits for.
        destination_limits={"renditions": 1},
        lanes={webhooks.QUEUE: max(1, settings.webhooks_max)},
    )


def tidy(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Forget finished jobs, old events and settled commitments; remove renditions that are over the limit."""
    now = time.time()
    with archive.transaction() as session:
        jobs.forget_finished(session, now - archive.settings.job_keep_s)
        feed.forget_before(session, now - archive.settings.event_keep_s)
        commitment.forget_reported(session, now - archive.settings.commitment_keep_s)
        sending.forget_sends(session, now - archive.settings.commitment_keep_s)
        ask_commitment.forget_settled(session, now - archive.settings.commitment_keep_s)
    trim(archive)
    inventory.forget_inventories(archive)


FUNCTIONS: dict[str, JobFunction] = {
    "check_peers": check_peers,
    "ask_commitment": ask_commitment.ask_commitment,
    "commitment_overdue": ask_commitment.commitment_overdue,
    "commitment_report": commitment.commitment_report,
    "commitment_verify": commitment.commitment_verify,
    "deliver_webhook": deliveries.deliver_webhook,
    "empty_trash": empty_trash_job,
    "forget_thumbnails": forget_thumbnails,
    "hanging_forget": forget_job,
    "restore": restore_job,
    "inventory_produce": inventory.inventory_produce,
    "inventory_report": inventory.inventory_report,
    "series_quiet": series_quiet,
    "make_renditions": make_renditions,
    "scrub": scrub_job,
    "replicate": replicate_job,
    "notify_availability": availability.notify_availability,
    "send_study": sending.send_study,
    SEND_JOB: send_workitem_reports,
    "study_quiet": availability.study_quiet,
    "sweep": sweep_job,
    "tidy": tidy,
    "tidy_worklist": tidy_worklist,
    "trash": trash_job,
    "verify": verify_job,
}
