"""The labels of metrics are of a fixed set, whatever peers send."""

from __future__ import annotations

from prometheus_client import REGISTRY

from filmless.dimse import metrics

PREFIX = "filmless_dimse_"


def labels() -> set[tuple[str, ...]]:
    return {
        tuple(value for name, value in sorted(sample.labels.items()) if name != "le")
        for family in REGISTRY.collect()
        if family.name.startswith(PREFIX)
        for sample in family.samples
    }


def test_any_command_status_and_reason_has_one_of_few_labels() -> None:
    for number in range(0, 0x10000, 7):
        metrics.note_operation(number, number, 0.001)
        metrics.note_refusal(number & 0xFF, number >> 8)

    operations = {*metrics.OPERATIONS.values(), metrics.OTHER}
    reasons = {*metrics.REFUSALS.values(), metrics.OTHER, metrics.CUT_OFF, metrics.TLS_FAILED, metrics.NO_REQUEST}
    allowed = {(), ("in",), ("out",)} | {(each,) for each in operations | reasons}
    allowed |= {(operation, status) for operation in operations for status in metrics.STATUSES}
    assert labels() <= allowed


def test_statuses_are_told_apart_by_what_they_mean() -> None:
    told = {status: metrics.status_of(status) for status in (0x0000, 0xB000, 0x0107, 0xFE00, 0xA700, 0xC000, 0x0122)}

    assert told == {
        0x0000: "success",
        0xB000: "warning",
        0x0107: "warning",
        0xFE00: "cancelled",
        0xA700: "out_of_resources",
        0xC000: "failure",
        0x0122: "failure",
    }
    assert metrics.status_of(None) == metrics.status_of(0xFF00) == "aborted"
