"""The worker process: which function each job name stands for, and what runs on a schedule."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from filmless.access import peers
from filmless.access.principal import SYSTEM
from filmless.archive import Archive, events, jobs
from filmless.archive.jobs import JobContext, Worker
from filmless.archive.metadata import series_quiet
from filmless.archive.processes import alive
from filmless.config import Settings
from filmless.errors import Unavailable
from filmless.retrieve.instances import find_instances
from filmless.retrieve.send import Progress, send
from filmless.store.scrub import SLICE_S, scrub_job
from filmless.store.sweep import sweep_job
from filmless.store.verify import verify_job
from filmless.worklist.tidying import tidy_worklist

TIDY_INTERVAL_S = 3600.0

JobFunction = Callable[[Archive, dict[str, Any], JobContext], None]


def run_worker(settings: Settings, ready: Callable[[], None]) -> None:
    """Run jobs until SIGTERM; jobs in hand are finished first."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Archive.open(settings) as archive, alive(archive, "worker"):
        ready()
        schedules = {
            "sweep": settings.sweep_interval_s,
            "tidy": TIDY_INTERVAL_S,
            "tidy_worklist": TIDY_INTERVAL_S,
            "scrub": SLICE_S,
        }
        Worker(archive, FUNCTIONS, schedules=schedules).run(stop)


def send_study(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Send a study to a peer.

    Raises
    ------
    Unavailable: the peer did not take everything; the job is tried again.
    """
    peer = peers.get_peer(archive, args["peer_id"])
    principal = SYSTEM("worker")
    instances = list(find_instances(archive, principal, study_uids=(args["study_instance_uid"],)))

    def on_progress(progress: Progress) -> None:
        done = len(instances) - progress.remaining
        job.report(done / max(len(instances), 1), f"{done} of {len(instances)} instances")

    result = send(archive, principal, peer, instances, on_progress=on_progress, is_cancelled=lambda: job.is_stopping)
    if result.failed or result.completed + result.warning < len(instances):
        raise Unavailable(f"{peer.ae_title} took {result.completed} of {len(instances)} instances")


def tidy(archive: Archive, args: dict[str, Any], job: JobContext) -> None:
    """Forget finished jobs and old events."""
    now = time.time()
    with archive.transaction() as session:
        jobs.forget_finished(session, now - archive.settings.job_keep_s)
        events.forget_before(session, now - archive.settings.event_keep_s)


FUNCTIONS: dict[str, JobFunction] = {
    "series_quiet": series_quiet,
    "scrub": scrub_job,
    "send_study": send_study,
    "sweep": sweep_job,
    "tidy": tidy,
    "tidy_worklist": tidy_worklist,
    "verify": verify_job,
}
