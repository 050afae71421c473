"""Instances that are made for one retrieval and not kept, and the first kind of them: those without their bulk data.

Composite Instance Retrieve Without Bulk Data (PS3.4 annex Z) gives what an instance says, under its own UID, without
pixels, waveforms, documents and the like. The other kind, selected frames, is in `extraction.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from filmless.archive import Archive
from filmless.archive.limits import scan_limits
from filmless.dicom.rewriting import rewrite
from filmless.dicom.scanner import scan
from filmless.dicom.syntaxes import ALL, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from filmless.retrieve.instances import StoredInstance

_WAVEFORM_SEQUENCE, _WAVEFORM_DATA = 0x54000100, 0x54001010
_BULK_TAGS: Final = frozenset(
    {
        0x00287FE0,  # Pixel Data Provider URL
        0x00420011,  # Encapsulated Document
        0x56000020,  # Spectroscopy Data
        0x7FE00001,  # Extended Offset Table, of pixel data that are not there
        0x7FE00002,
        0x7FE00003,
        0x7FE00008,  # Float, Double Float and Pixel Data
        0x7FE00009,
        0x7FE00010,
    }
)
_BULK_OF_REPEATING_GROUPS: Final = {0x6000: (0x3000,), 0x5000: (0x200C, 0x3000)}  # overlays; curves and their audio


@dataclass(frozen=True, slots=True)
class Derived:
    """An instance made of a kept one. `write` gives its data set in one of `syntaxes`, the best first."""

    source: StoredInstance
    sop_instance_uid: str
    syntaxes: tuple[str, ...]
    length_bytes: int
    write: Callable[[str], Iterator[bytes]]

    @property
    def sop_class_uid(self) -> str:
        """What is made is of the same class (PS3.4 Y.3.3)."""
        return self.source.sop_class_uid

    @property
    def transfer_syntax_uid(self) -> str:
        """The transfer syntax in which it costs least."""
        return self.syntaxes[0]

    @property
    def study_instance_uid(self) -> str:
        """The study that it belongs to."""
        return self.source.study_instance_uid


_WITHOUT_PIXELS: Final = (
    EXPLICIT_LE,
    IMPLICIT_LE,
    # Any that is Explicit VR Little Endian will do when a peer takes no other: there are no pixel data to compress.
    *(each.uid for each in ALL if each.is_encapsulated and not each.is_deflated and not each.is_referenced),
)


def without_bulk_data(archive: Archive, instance: StoredInstance) -> Derived:
    """Give an instance without the attributes that annex Z leaves out (PS3.4 Z.1.3)."""
    end = instance.length_bytes if instance.pixel_offset is None else instance.pixel_offset
    return Derived(
        source=instance,
        sop_instance_uid=instance.sop_instance_uid,
        syntaxes=_WITHOUT_PIXELS,
        length_bytes=max(0, end - instance.dataset_offset),
        write=partial(_written, archive, instance),
    )


def _written(archive: Archive, instance: StoredInstance, transfer_syntax_uid: str) -> Iterator[bytes]:
    assert transfer_syntax_uid != EXPLICIT_BE
    with archive.blobs.reader(instance.blob) as reader:
        header = scan(reader.map(), limits=scan_limits(archive.settings))
        left_out = {tag: None for tag in header if _is_bulk(tag)}
        yield from rewrite(
            header,
            is_implicit=transfer_syntax_uid == IMPLICIT_LE,
            replacements=left_out,
            pixel_data=None,
            left_out_of_items={_WAVEFORM_SEQUENCE: frozenset({_WAVEFORM_DATA})},
        )


def _is_bulk(tag: int) -> bool:
    if tag in _BULK_TAGS:
        return True
    group = tag >> 16
    return group % 2 == 0 and (tag & 0xFFFF) in _BULK_OF_REPEATING_GROUPS.get(group & 0xFF00, ())
