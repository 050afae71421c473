"""The named limits of an association. `config.Settings` fills them; the defaults are its defaults."""

from __future__ import annotations

from dataclasses import dataclass


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
