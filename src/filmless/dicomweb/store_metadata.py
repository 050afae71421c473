"""STOW-RS of metadata and bulk data (PS3.18 10.5.1): data sets in JSON or XML first, then the parts that they name.

Metadata are held in memory up to a limit; bulk data go to files without a name. An instance is written as soon as all
of its bulk data have come, so that no more is kept waiting than must be.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO, Final, Protocol, cast
from urllib.parse import urljoin

import orjson
import structlog

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.archive.outages import as_unavailable
from filmless.archive.writing import write_all
from filmless.dicom.json import JsonDataset
from filmless.dicom.xml import from_xml
from filmless.dicomweb.multipart import Multipart, Part
from filmless.dicomweb.negotiation import DICOM_JSON, DICOM_XML, JSON, read_media_type
from filmless.errors import FilmlessError, Refused, TooLarge
from filmless.store.assembling import BulkPart, assemble, bulk_uris, uid_of
from filmless.store.receive import Only, Receipt, receive, record_refusal

log = structlog.get_logger()

METADATA: Final = frozenset({DICOM_JSON, DICOM_XML, JSON})
_READ_BYTES: Final = 1 << 20


class Results(Protocol):
    """Where the fate of each instance is noted."""

    @property
    def is_full(self) -> bool: ...
    def end_early(self) -> None: ...
    def add_stored(self, receipt: Receipt, warnings: list[str]) -> None: ...
    def add_failed(self, error: BaseException, class_uid: str, instance_uid: str) -> None: ...


@dataclass(slots=True)
class _Waiting:
    """An instance whose bulk data have not all come. `wants` is by the address of each, resolved."""

    dataset: JsonDataset
    wants: dict[str, int]
    names: dict[str, str]


@dataclass(slots=True)
class _Spooled:
    """Parts under one address: a file, where each part lies in it, and how many instances name them."""

    file: IO[bytes]
    needed: int
    users: int
    length: int = 0
    parts: list[BulkPart] = field(default_factory=list)


class MetadataRequest:
    """One request on its way in, read by one thread."""

    def __init__(
        self,
        archive: Archive,
        principal: Principal,
        results: Results,
        *,
        base: str,
        study: str | None,
        request: str,
        only: Only | None = None,
    ) -> None:
        self._archive = archive
        self._principal = principal
        self._results = results
        self._base = base
        self._study = study
        self._request = request
        self._only = only
        self._waiting: list[_Waiting] = []
        self._spooled: dict[str, _Spooled] = {}
        self._metadata_bytes = 0
        self._instances = 0

    def read(self, parts: Multipart, root_type: str) -> None:
        """Store what the parts bring.

        Raises
        ------
        TooLarge: the metadata are longer than the settings allow. Refused: the body is no multipart. Unavailable.
        """
        try:
            for number, part in enumerate(parts.parts()):
                given = part.headers.get("content-type") or (root_type if number == 0 else "")
                media_type, parameters = read_media_type(given)
                if media_type in METADATA and "content-location" not in part.headers:
                    self._take_metadata(part.read, media_type)
                else:
                    self._take_bulk(part, media_type, parameters)
                if self._results.is_full:
                    self._results.end_early()
                    return
            self._give_up()
        finally:
            for spooled in self._spooled.values():
                spooled.file.close()

    def read_alone(self, read: Callable[[int], bytes], media_type: str) -> None:
        """Store the instances of a body that is metadata alone: all their values are in it."""
        self._take_metadata(read, media_type)
        self._give_up()

    # Metadata

    def _take_metadata(self, read: Callable[[int], bytes], media_type: str) -> None:
        text = self._read_metadata(read)
        try:
            values_max = self._archive.settings.stow_metadata_values_max
            is_xml = media_type == DICOM_XML
            datasets = [from_xml(text, values_max=values_max)] if is_xml else _read_json(text, values_max)
        except Refused as error:
            record_refusal(self._archive, self._principal, str(error), request=self._request)
            self._results.add_failed(error, "", "")
            return
        for dataset in datasets:
            self._instances += 1
            if self._instances > self._archive.settings.stow_metadata_instances_max:
                raise TooLarge(
                    f"the metadata are of more than {self._archive.settings.stow_metadata_instances_max} instances"
                    " (stow_metadata_instances_max)"
                )
            uris = bulk_uris(dataset)
            names = {uri: urljoin(self._base, uri) for uri in uris}
            waiting = _Waiting(dataset, {names[uri]: count for uri, count in uris.items()}, names)
            if not uris:
                self._store(waiting)
                continue
            self._expect(waiting)

    def _read_metadata(self, read: Callable[[int], bytes]) -> bytes:
        pieces, length_max = [], self._archive.settings.stow_metadata_max_bytes
        while piece := read(_READ_BYTES):
            self._metadata_bytes += len(piece)
            if self._metadata_bytes > length_max:
                raise TooLarge(f"the metadata are longer than {length_max} bytes (stow_metadata_max_bytes)")
            pieces.append(piece)
        return b"".join(pieces)

    # Bulk data

    def _expect(self, waiting: _Waiting) -> None:
        new = [address for address in waiting.wants if address not in self._spooled]
        length_max = self._archive.settings.stow_bulk_waiting_max
        if len(self._spooled) + len(new) > length_max:
            told = f"more than {length_max} bulk data would be waited for at once (stow_bulk_waiting_max): send fewer"
            self._results.add_failed(TooLarge(told), *_identity(waiting.dataset))
            return
        for address, needed in waiting.wants.items():
            spooled = self._spooled.setdefault(address, _Spooled(_NOTHING, needed, 0))
            spooled.users += 1
            spooled.needed = max(spooled.needed, needed)
        self._waiting.append(waiting)

    def _take_bulk(self, part: Part, media_type: str, parameters: dict[str, str]) -> None:
        location = part.headers.get("content-location", "").strip()
        spooled = self._spooled.get(urljoin(self._base, location)) if location else None
        if spooled is None or len(spooled.parts) >= spooled.needed:
            what = (
                f"the bulk data at {location[:200]!r} belong" if location else "a part without Content-Location belongs"
            )
            self._results.add_failed(Refused(f"{what} to no instance of the metadata before"), "", "")
            return
        if spooled.file is _NOTHING:
            spooled.file = self._open()
        start = spooled.length
        spooled.file.seek(start)
        while piece := part.read(_READ_BYTES):
            self._write(spooled.file, piece)
            spooled.length += len(piece)
        syntax = parameters.get("transfer-syntax") or None
        spooled.parts.append(BulkPart(media_type, syntax, spooled.file, start, spooled.length - start))
        if len(spooled.parts) == spooled.needed:
            self._store_complete()

    def _open(self) -> IO[bytes]:
        self._archive.blobs.require_room()
        folder = self._archive.settings.data / "spool"
        with as_unavailable(f"the spool {folder} cannot be written"):
            folder.mkdir(exist_ok=True)
            return tempfile.TemporaryFile(dir=folder, buffering=0)

    def _write(self, file: IO[bytes], piece: bytes) -> None:
        self._archive.blobs.require_room()
        with as_unavailable("the bulk data cannot be kept"):
            write_all(file, piece)

    # Instances

    def _is_complete(self, waiting: _Waiting) -> bool:
        return all(len(self._spooled[address].parts) >= count for address, count in waiting.wants.items())

    def _store_complete(self) -> None:
        complete = [waiting for waiting in self._waiting if self._is_complete(waiting)]
        self._waiting = [waiting for waiting in self._waiting if not self._is_complete(waiting)]
        for waiting in complete:
            self._store(waiting)
            self._let_go(waiting)

    def _let_go(self, waiting: _Waiting) -> None:
        for address in waiting.wants:
            spooled = self._spooled[address]
            spooled.users -= 1
            if spooled.users == 0:
                spooled.file.close()
                del self._spooled[address]

    def _give_up(self) -> None:
        """The body is over: what still waits has not got all of its bulk data. The assembling says what is missing."""
        for waiting in self._waiting:
            self._store(waiting)

    def _store(self, waiting: _Waiting) -> None:
        dataset = waiting.dataset
        class_uid, instance_uid = _identity(dataset)
        bulk = {uri: self._spooled[address].parts for uri, address in waiting.names.items() if address in self._spooled}
        is_refused = True
        try:
            assembled = assemble(dataset, bulk)
            is_refused = False  # from here on `receive` tells of a refusal itself
            receipt = receive(
                self._archive,
                self._principal,
                cast("BinaryIO", _Pieces(assembled.pieces)),
                expected_study_uid=self._study,
                request=self._request,
                only=self._only,
            )
        except FilmlessError as error:
            if is_refused:
                record_refusal(
                    self._archive,
                    self._principal,
                    str(error),
                    request=self._request,
                    sop_instance_uid=instance_uid,
                    sop_class_uid=class_uid,
                    study_instance_uid=uid_of(dataset, "0020000D"),
                )
            self._results.add_failed(error, class_uid, instance_uid)
        except Exception as error:  # a bug that one instance meets must not take the others with it
            log.exception("an instance was not assembled", sop_instance_uid=instance_uid)
            self._results.add_failed(error, class_uid, instance_uid)
        else:
            self._results.add_stored(receipt, assembled.warnings)


def _identity(dataset: JsonDataset) -> tuple[str, str]:
    return uid_of(dataset, "00080016")[:64], uid_of(dataset, "00080018")[:64]


class _Nothing:
    """Stands for the file of bulk data of which nothing came yet."""

    def close(self) -> None: ...


_NOTHING: Final = cast("IO[bytes]", _Nothing())


class _Pieces:
    """Pieces as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        while not self._buffer:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._buffer = piece
        taken = self._buffer if size < 0 else self._buffer[:size]
        self._buffer = self._buffer[len(taken) :]
        return taken


def _read_json(text: bytes, values_max: int) -> list[JsonDataset]:
    """Read the DICOM JSON model: a list of data sets; one by itself is taken too.

    Raises
    ------
    Refused
    """
    # Three bytes, as in "{},", may take a hundred when they are read: they are counted before. A comma in a text counts
    # too, which costs nobody anything.
    if sum(map(text.count, (b",", b"[", b"{"))) > values_max:
        raise Refused(f"the metadata have more than {values_max} values (stow_metadata_values_max)")
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused(f"the metadata are no JSON: {error}") from error
    found = found if isinstance(found, list) else [found]
    datasets = []
    for dataset in found:
        if not isinstance(dataset, dict):
            raise Refused("the metadata are no list of data sets in the DICOM JSON model")
        for name, attribute in dataset.items():
            if len(name) != 8 or not all(each in "0123456789ABCDEFabcdef" for each in name):
                raise Refused(f"{name[:20]!r} is not a tag of eight hex digits")
            if not isinstance(attribute, dict):
                raise Refused(f"the attribute {name} is not an object with vr and Value")
        datasets.append({name.upper(): attribute for name, attribute in dataset.items()})
    return datasets
