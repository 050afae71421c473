"""Waveforms for a reader: what a waveform object says, a stretch of its samples, and a strip of it as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from filmless.access.principal import Principal
from filmless.archive import Archive
from filmless.config import Settings
from filmless.dicom.uids import is_waveform_class
from filmless.dicom.waveform import Waveform, WaveformLimits, read_samples, read_waveform
from filmless.errors import NotFound, Refused
from filmless.retrieve.frames import read_header
from filmless.retrieve.instances import StoredInstance, find_instances
from filmless.retrieve.opening import open_study

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STRIP_S: Final = 2.5


def get_waveform(
    archive: Archive,
    principal: Principal,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
) -> Waveform:
    """Say what the channels of a waveform object are, and what was measured on them.

    Raises
    ------
    NotFound: there is no such instance to be seen. Refused: it holds no waveform.
    """
    instance = _find(archive, principal, study_instance_uid, series_instance_uid, sop_instance_uid)
    return read_waveform(read_header(archive, instance), _limits(archive.settings))


def get_samples(
    archive: Archive,
    principal: Principal,
    uids: tuple[str, str, str],
    group_number: int,
    first: int,
    count: int,
) -> NDArray[Any]:
    """Give samples of all channels of a multiplex group in their units: float32, shape (channels, samples).

    Parameters
    ----------
    uids : of study, series and instance.

    Raises
    ------
    NotFound: there is no such instance or group. Refused: it cannot be read, or more is asked for than an answer holds.
    """
    instance = _find(archive, principal, *uids)
    header = read_header(archive, instance)
    groups = read_waveform(header, _limits(archive.settings)).groups
    channels = groups[group_number - 1].number_of_channels if group_number <= len(groups) else 0
    most = archive.settings.waveform_samples_max
    if count * max(channels, 1) > most:
        raise Refused(f"{count} samples of {channels} channels are more than {most} (waveform_samples_max)")
    return read_samples(header, group_number, first, count)


def read_strip(archive: Archive, instance: StoredInstance) -> dict[str, Any] | None:
    """Give a few seconds of the channel that stands for a waveform: lead II, else the first; None when it has none."""
    if not is_waveform_class(instance.sop_class_uid):
        return None
    try:
        header = read_header(archive, instance)
        group = read_waveform(header, _limits(archive.settings)).groups[0]
        count = min(int(group.sampling_frequency_hz * _STRIP_S) or 1000, 20_000)
        if count * max(group.number_of_channels, 1) > archive.settings.waveform_samples_max:
            return None
        samples = read_samples(header, 1, 0, count)
    except (Refused, NotFound):
        return None
    names = [f" {each.source.meaning if each.source else each.label} ".upper() for each in group.channels]
    chosen = next((at for at, name in enumerate(names) if " II " in name), 0)
    if samples.shape[1] < 2 or not samples.shape[0]:
        return None
    unit = group.channels[chosen].unit if group.channels else None
    return {
        "samples": samples[chosen].tobytes(),
        "per_mv": {"uV": 1000.0, "mV": 1.0, "V": 0.001}.get(unit.value if unit else ""),
        "duration_s": samples.shape[1] / group.sampling_frequency_hz if group.sampling_frequency_hz else _STRIP_S,
    }


def _limits(settings: Settings) -> WaveformLimits:
    return WaveformLimits(
        settings.waveform_groups_max, settings.waveform_channels_max, settings.waveform_annotations_max
    )


def _find(archive: Archive, principal: Principal, study: str, series: str, sop: str) -> StoredInstance:
    found = find_instances(archive, principal, study_uids=(study,), series_uids=(series,), sop_uids=(sop,))
    instance = next(iter(found), None)
    if instance is None:
        raise NotFound(f"there is no instance {sop} in this series")
    open_study(archive, principal, study)
    return instance
