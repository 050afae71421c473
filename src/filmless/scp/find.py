"""C-FIND of the Query/Retrieve Service Class (PS3.4 C.4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import structlog

from filmless.access.principal import Principal
from filmless.errors import FilmlessError, NotAllowed, Refused, Unavailable
from filmless.query import attributes as at
from filmless.query import matching
from filmless.query.search import JsonDataset, Level, Options, Query, find_all, read_query, wanted_of

if TYPE_CHECKING:
    from filmless.archive import Archive

log = structlog.get_logger()

PENDING: Final = 0xFF00
PENDING_WITH_WARNING: Final = 0xFF01  # an optional key was not supported
SUCCESS: Final = 0x0000
CANCEL: Final = 0xFE00
NOT_AUTHORISED: Final = 0x0124
OUT_OF_RESOURCES: Final = 0xA700
IDENTIFIER_DOES_NOT_MATCH: Final = 0xA900
UNABLE_TO_PROCESS: Final = 0xC000
INVALID_PRIOR_RECORD_KEY: Final = 0xA710

ERROR_COMMENT: Final = "00000902"

PATIENT_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
PATIENT_STUDY_ONLY_FIND: Final = "1.2.840.10008.5.1.4.1.2.3.1"
REPOSITORY_QUERY: Final = "1.2.840.10008.5.1.4.1.1.201.6"

# The levels of each model, and the highest of them. In the Study Root model a study carries its patient (C.6.2.1.1).
MODELS: Final = {
    PATIENT_ROOT_FIND: (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE),
    STUDY_ROOT_FIND: (Level.STUDY, Level.SERIES, Level.IMAGE),
    PATIENT_STUDY_ONLY_FIND: (Level.PATIENT, Level.STUDY),
    REPOSITORY_QUERY: (Level.STUDY, Level.SERIES, Level.IMAGE),  # answered by `repository`
}


class InvalidRecordKey(Refused):
    """A Prior Record Key that we never gave, or not at this level (C.6.4.5.3)."""


def handle_find(
    archive: Archive,
    principal: Principal,
    identifier: JsonDataset,
    sop_class_uid: str,
    negotiated: bytes | None,
    is_cancelled: Callable[[], bool],
) -> Iterator[tuple[int, JsonDataset | None]]:
    """Answer one C-FIND-RQ: a status and a match at a time, then the final status.

    `negotiated` is the application information of the SOP Class Extended Negotiation we answered (C.5.1.1). The data
    set beside a failure holds only its Error Comment (0000,0902).
    """

    def search() -> Iterator[tuple[int, JsonDataset]]:
        query = read_identifier(identifier, sop_class_uid, read_options(negotiated))
        pending = PENDING_WITH_WARNING if query.unsupported else PENDING
        for dataset in find_all(archive, principal, query):
            yield pending, answer(dataset, query, identifier)

    return answer_all(search, archive.settings.find_matches_max, is_cancelled, principal.name)


def answer_all(
    search: Callable[[], Iterator[tuple[int, JsonDataset]]],
    most: int,
    is_cancelled: Callable[[], bool],
    peer: str,
    *,
    when_there_are_more: int = OUT_OF_RESOURCES,
) -> Iterator[tuple[int, JsonDataset | None]]:
    """Pass on the matches of a search, no more than `most`, and say how it ended."""
    try:
        for found, match in enumerate(search()):
            if is_cancelled():
                yield CANCEL, None
                return
            if found == most:
                yield when_there_are_more, _comment(f"more than {most} matches: ask for less")
                return
            yield match
    except FilmlessError as error:
        log.info("find_refused", kind=type(error).__name__, peer=peer)
        yield status_of(error), _comment(str(error))
        return
    yield SUCCESS, None


def status_of(error: FilmlessError) -> int:
    """Give the status of table C.4-1 for a kind of failure."""
    match error:
        case InvalidRecordKey():
            return INVALID_PRIOR_RECORD_KEY
        case NotAllowed():
            return NOT_AUTHORISED
        case Refused():
            return IDENTIFIER_DOES_NOT_MATCH
        case Unavailable():
            return OUT_OF_RESOURCES
        case _:
            return UNABLE_TO_PROCESS


def _comment(text: str) -> JsonDataset:
    """An Error Comment: LO of 64 characters, in the default repertoire (PS3.7 C)."""
    return {ERROR_COMMENT: {"vr": "LO", "Value": [text.encode("ascii", "replace").decode()[:64]]}}


def read_options(negotiated: bytes | None) -> Options:
    """Read the bytes of table C.5-2: relational, date-time, fuzzy, time zone, multi-frame, empty, multiple values."""
    said = [byte == 1 for byte in (negotiated or b"")[:7]]
    said += [False] * (7 - len(said))
    return Options(
        relational=said[0],
        combined_date_time=said[1],
        fuzzy=said[2],
        timezone=said[3],
        empty_values=said[5],
        multiple_values=said[6],
    )


def negotiate(proposed: bytes) -> bytes:
    """Answer the proposed options: all that are asked for, but Enhanced Multi-Frame Image Conversion."""
    return bytes(1 if byte == 1 and number != 4 else 0 for number, byte in enumerate(proposed[:7]))


def read_identifier(identifier: JsonDataset, sop_class_uid: str, options: Options) -> Query:
    """Read an identifier by the rules of its information model (C.4.1.2.1, C.4.1.3.1).

    Raises
    ------
    Refused: the level is none of the model's, or a unique key is missing above it and queries are not relational.
    """
    levels = MODELS[sop_class_uid]
    level = _read_level(identifier, levels)
    wanted = {at.RETRIEVE_AE: None, at.AVAILABILITY: None, **wanted_of(identifier)}
    query = read_query(level, identifier, options, wanted=wanted)
    if not options.relational:
        for above in levels[: levels.index(level)]:
            _require_unique_key(query, at.UNIQUE_KEY[above], above)
    return query


def _read_level(identifier: JsonDataset, levels: tuple[Level, ...]) -> Level:
    values = matching.values_of(identifier, at.QUERY_LEVEL)
    if len(values) != 1:
        raise Refused("Query/Retrieve Level (0008,0052) is missing")
    named = str(values[0]).strip().upper()
    for level in levels:
        if level.name == named:
            return level
    raise Refused(f"Query/Retrieve Level {named[:16]!r} is none of {', '.join(level.name for level in levels)}")


def _require_unique_key(query: Query, tag: str, level: Level) -> None:
    key = next((key for key in query.keys.keys if key.tag == tag), None)
    if key is None or key.is_universal or len(key.tests) != 1 or not isinstance(key.tests[0], matching.Equal):
        name = {at.PATIENT_ID: "Patient ID", at.STUDY_UID: "Study Instance UID", at.SERIES_UID: "Series Instance UID"}
        raise Refused(f"{name[tag]} must be one value below {level.name} level")


def answer(dataset: JsonDataset, query: Query, identifier: JsonDataset) -> JsonDataset:
    """Make the response identifier of a match: its return keys, its level, where to retrieve it (C.4.1.1.3.2)."""
    dataset = dict(dataset)
    for tag, element in identifier.items():
        if tag not in dataset and tag > "00080000" and not tag.endswith("0000"):
            dataset[tag] = {"vr": element.get("vr", "UN")}
    if at.CHARACTER_SET in dataset:
        dataset[at.CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    dataset[at.QUERY_LEVEL] = {"vr": "CS", "Value": [query.level.name]}
    return dict(sorted(dataset.items()))
