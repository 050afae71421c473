"""The named limits of an association. `config.Settings` fills them; the defaults are its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from filmless.dicom.elements import ScanLimits


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. No length from the network is used before it was held against one of these."""

    pdu_max_bytes: int = 1 << 20
    association_request_max_bytes: int = 1 << 18
    command_max_bytes: int = 1 << 16
    identifier_max_bytes: int = 1 << 20
    information_max_bytes: int = 1 << 24  # of a DIMSE-N message: a commitment of 100,000 instances
    associations_max: int = 64
    associations_per_peer_max: int = 16
    operations_max: int = 16  # asynchronous operations window offered to peers that ask for one (PS3.7 D.3.3.3)
    connect_timeout_s: float = 10.0
    artim_timeout_s: float = 30.0  # PS3.8 9.1.5
    network_timeout_s: float = 60.0
    idle_timeout_s: float = 300.0

    def of_identifiers(self) -> ScanLimits:
        """Give what reading an identifier may cost: deflated, too, it is no longer than `identifier_max_bytes`."""
        return ScanLimits(header_max_bytes=self.identifier_max_bytes, inflate_max_bytes=self.identifier_max_bytes)

    def of_information(self) -> ScanLimits:
        """Give what reading the data set of a DIMSE-N message may cost: as above, with `information_max_bytes`."""
        return ScanLimits(header_max_bytes=self.information_max_bytes, inflate_max_bytes=self.information_max_bytes)
