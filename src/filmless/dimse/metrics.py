"""What the acceptor counts, for Prometheus. Every label has a fixed set of values, whatever peers send."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from filmless.dimse import commands, pdus

OPERATIONS: Final[dict[int, str]] = {
    commands.C_ECHO_RQ: "C-ECHO",
    commands.C_STORE_RQ: "C-STORE",
    commands.C_FIND_RQ: "C-FIND",
    commands.C_MOVE_RQ: "C-MOVE",
    commands.C_GET_RQ: "C-GET",
    commands.N_EVENT_REPORT_RQ: "N-EVENT-REPORT",
    commands.N_GET_RQ: "N-GET",
    commands.N_SET_RQ: "N-SET",
    commands.N_ACTION_RQ: "N-ACTION",
    commands.N_CREATE_RQ: "N-CREATE",
    commands.N_DELETE_RQ: "N-DELETE",
}
OTHER: Final = "other"

# PS3.8 table 9-21: by source and reason.
REFUSALS: Final[dict[tuple[int, int], str]] = {
    (pdus.SOURCE_USER, pdus.USER_APPLICATION_CONTEXT_NOT_SUPPORTED): "application_context_not_supported",
    (pdus.SOURCE_USER, pdus.USER_CALLING_AE_NOT_RECOGNIZED): "calling_ae_not_recognized",
    (pdus.SOURCE_USER, pdus.USER_CALLED_AE_NOT_RECOGNIZED): "called_ae_not_recognized",
    (pdus.SOURCE_ACSE, pdus.ACSE_PROTOCOL_VERSION_NOT_SUPPORTED): "protocol_version_not_supported",
    (pdus.SOURCE_PRESENTATION, pdus.PRESENTATION_TEMPORARY_CONGESTION): "temporary_congestion",
    (pdus.SOURCE_PRESENTATION, pdus.PRESENTATION_LOCAL_LIMIT_EXCEEDED): "local_limit_exceeded",
}
CUT_OFF: Final = "cut_off"
"""Too many connections to say even why; the peer sees a connection that is closed."""

TLS_FAILED: Final = "tls_failed"
NO_REQUEST: Final = "no_request"
"""The connection ended before an A-ASSOCIATE-RQ that can be read had come."""

STATUSES: Final = ("success", "warning", "cancelled", "out_of_resources", "failure", "aborted")

ASSOCIATIONS_OPEN: Final = Gauge(
    "filmless_dimse_associations_open", "Associations that are open now.", multiprocess_mode="livesum"
)
ASSOCIATIONS_ACCEPTED: Final = Counter("filmless_dimse_associations_accepted_total", "Associations that were accepted.")
ASSOCIATIONS_REFUSED: Final = Counter(
    "filmless_dimse_associations_refused_total", "Connections that became no association, and why.", ["reason"]
)
OPERATIONS_DONE: Final = Counter(
    "filmless_dimse_operations_total", "Requests of peers that were answered, or cut off.", ["operation", "status"]
)
OPERATION_SECONDS: Final = Histogram(
    "filmless_dimse_operation_seconds",
    "Time from a request, with its data set, to its final response.",
    ["operation"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600),
)
BYTES: Final = Counter("filmless_dimse_bytes_total", "Bytes of associations, as PDUs.", ["direction"])


def note_refusal(source: int, reason: int) -> None:
    """Count a request for an association that was rejected."""
    ASSOCIATIONS_REFUSED.labels(REFUSALS.get((source, reason), OTHER)).inc()


def note_operation(field: int, status: int | None, seconds: float) -> None:
    """Count a request: `field` is its command field, `status` None when it was not answered to the end."""
    operation = OPERATIONS.get(field, OTHER)
    OPERATIONS_DONE.labels(operation, status_of(status)).inc()
    OPERATION_SECONDS.labels(operation).observe(seconds)


def status_of(status: int | None) -> str:
    """The class of a status (PS3.7 annex C); one of `STATUSES`."""
    if status is None or commands.is_pending(status):
        return "aborted"
    if status == commands.SUCCESS:
        return "success"
    if status == commands.CANCELLED:
        return "cancelled"
    if commands.is_warning(status):
        return "warning"
    return "out_of_resources" if status >> 8 == 0xA7 else "failure"


class Meter:
    """Counts what has passed over one association since it was last asked."""

    def __init__(self) -> None:
        self._received = self._sent = 0

    def note(self, received: int, sent: int) -> None:
        """Add what came and went since, given the totals of the association."""
        if received > self._received:
            BYTES.labels("in").inc(received - self._received)
        if sent > self._sent:
            BYTES.labels("out").inc(sent - self._sent)
        self._received, self._sent = received, sent
