"""Query and retrieve of what belongs to no patient (PS3.4 annexes U, X, BB, HH, II, KK): models of one level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from filmless.access.principal import Principal
from filmless.dicom import uids
from filmless.query import non_patient
from filmless.query.search import JsonDataset, wanted_of
from filmless.scp import find

if TYPE_CHECKING:
    from filmless.archive import Archive

_PROTOCOLS: Final = frozenset({uids.CT_DEFINED_PROCEDURE_PROTOCOL, uids.XA_DEFINED_PROCEDURE_PROTOCOL})

# The FIND, MOVE and GET class of each model, and the storage classes in it.
_MODELS: Final[tuple[tuple[tuple[str, str, str], frozenset[str]], ...]] = (
    *(
        ((f"{arc}.2", f"{arc}.3", f"{arc}.4"), frozenset({f"{arc}.1"}))
        for arc in (
            "1.2.840.10008.5.1.4.38",  # Hanging Protocol
            "1.2.840.10008.5.1.4.39",  # Color Palette
            "1.2.840.10008.5.1.4.43",  # Generic Implant Template
            "1.2.840.10008.5.1.4.44",  # Implant Assembly Template
            "1.2.840.10008.5.1.4.45",  # Implant Template Group
            "1.2.840.10008.5.1.4.1.1.201",  # Inventory
        )
    ),
    (("1.2.840.10008.5.1.4.20.1", "1.2.840.10008.5.1.4.20.2", "1.2.840.10008.5.1.4.20.3"), _PROTOCOLS),
    (
        ("1.2.840.10008.5.1.4.1.1.200.4", "1.2.840.10008.5.1.4.1.1.200.5", "1.2.840.10008.5.1.4.1.1.200.6"),
        frozenset({uids.PROTOCOL_APPROVAL}),
    ),
)
FIND_MODELS: Final = {find_class: classes for (find_class, _, _), classes in _MODELS}
MOVE_MODELS: Final = {move_class: classes for (_, move_class, _), classes in _MODELS}
GET_MODELS: Final = {get_class: classes for (_, _, get_class), classes in _MODELS}
"""SOP class of a service, and the storage classes of which it finds or gives instances."""


def find_instances(
    archive: Archive,
    principal: Principal,
    identifier: JsonDataset,
    sop_class_uid: str,
    negotiated: bytes | None,
    is_cancelled: Callable[[], bool],
) -> Iterator[tuple[int, JsonDataset | None]]:
    """Answer one C-FIND-RQ, as `find.handle_find` does; there is no level."""

    def matches() -> Iterator[tuple[int, JsonDataset]]:
        options = find.read_options(negotiated)
        classes = FIND_MODELS[sop_class_uid]
        for dataset in non_patient.find_all(archive, principal, classes, identifier, options, wanted_of(identifier)):
            yield find.PENDING, dataset

    return find.answer_all(matches, archive.settings.find_matches_max, is_cancelled, principal.name)
