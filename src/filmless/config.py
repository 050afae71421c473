"""One frozen Settings for a process, read once: flags over environment over TOML file over defaults.

Every limit of the product has its name here; `docs/settings.md` lists them (a test fails when one is missing).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from filmless.dimse.limits import Limits
from filmless.errors import Refused


class Settings(BaseSettings):
    """All settings. `FILMLESS_<NAME>` in the environment, `name` in the TOML file `FILMLESS_CONFIG`."""

    model_config = SettingsConfigDict(env_prefix="FILMLESS_", frozen=True, extra="forbid")

    # Where things are
    data: Path = Field(Path("filmless-data"), description="Folder of the database, the blobs and the spool.")
    database_url: str | None = Field(
        None, description="SQLAlchemy address of the database; unset: SQLite in the data folder."
    )
    http: str = Field("127.0.0.1:8080", description="HOST:PORT of the web server.")
    dicom: str = Field("127.0.0.1:11112", description="HOST:PORT of the DICOM listener.")
    dicom_tls: str | None = Field(None, description="HOST:PORT of the DICOM listener over TLS; unset: none.")
    ae_title: str = Field("FILMLESS", description="Our AE title.", min_length=1, max_length=16)
    public_url: str | None = Field(
        None, description="Address that browsers use, when a proxy stands in front (links, Secure cookies)."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks, comma-separated, of proxies that are believed: X-Forwarded-For, -Proto, "
        "-Host, -Port and -Prefix, or Forwarded without X-Forwarded-For. They must drop what they do not set.",
    )

    cors_origins: str = Field(
        "", description="Origins, separated by commas, whose pages may use DICOMweb with a token; empty: none."
    )

    # Blobs in a bucket (S3, or what speaks like it; Azure; Google), in place of the data folder
    blobs_url: str | None = Field(
        None, description="s3://bucket/prefix, az://container/prefix or gs://bucket/prefix; unset: the data folder."
    )
    blobs_endpoint: str | None = Field(
        None,
        description="https:// address of a server that is not the maker's (Azure: the account is its path); "
        "unset: the maker's, Amazon's of the region.",
    )
    blobs_region: str | None = Field(None, description="Region of the bucket; unset: AWS_REGION, else us-east-1.")
    blobs_access_key_id: str | None = Field(
        None,
        description="Access key (Azure: account name); unset: AWS_, AZURE_ or GOOGLE_ variables, or the machine.",
    )
    blobs_secret_access_key: SecretStr | None = Field(
        None,
        description="Its secret (Azure: account key; Google: the key of a service account, as JSON). Better in the "
        "environment than in a file; never logged.",
    )
    blobs_path_style: bool | None = Field(
        None, description="Whether the bucket is named in the path, not in the host; unset: yes with blobs_endpoint."
    )
    blobs_ca_certificates: Path | None = Field(
        None, description="PEM authorities of the endpoint, besides those of the system."
    )
    blobs_connect_timeout_s: float = Field(5.0, description="Longest wait for a connection to the bucket.", gt=0)
    blobs_timeout_s: float = Field(
        20.0, description="Longest time of one request to the bucket; no further attempt begins after it.", gt=0
    )
    blobs_retries: int = Field(3, description="Further attempts of a request that the bucket failed.", ge=0, le=100)
    blobs_part_bytes: int = Field(
        8 << 20, description="Longer blobs are sent and fetched in parts of this length.", ge=5 << 20, le=1 << 30
    )
    blobs_parts_at_once: int = Field(2, description="Parts of one blob sent at once.", ge=1, le=64)

    # Replica: a second place with a copy of every instance
    replica_url: str | None = Field(
        None, description="A folder that is there, or s3://bucket/prefix and the like; unset: no replica."
    )
    replica_mode: Literal["lagging", "synchronous"] = Field(
        "lagging", description="synchronous: Success only when both places have it; lagging: a job brings it over."
    )
    replica_away: Literal["refuse", "degrade"] = Field(
        "refuse",
        description="What becomes of what arrives while a synchronous replica is away: it is refused for now (0xA700,"
        " 503), or kept and brought over later.",
    )
    replica_endpoint: str | None = Field(None, description="As blobs_endpoint, of the replica.")
    replica_region: str | None = Field(None, description="As blobs_region, of the replica.")
    replica_access_key_id: str | None = Field(None, description="As blobs_access_key_id, of the replica.")
    replica_secret_access_key: SecretStr | None = Field(None, description="As blobs_secret_access_key, of the replica.")
    replica_path_style: bool | None = Field(None, description="As blobs_path_style, of the replica.")
    replica_ca_certificates: Path | None = Field(None, description="As blobs_ca_certificates, of the replica.")

    # TLS (PEM files)
    http_tls_certificate: Path | None = Field(None, description="PEM certificate chain of the web server.")
    http_tls_key: Path | None = Field(None, description="PEM private key (PKCS#8) of the web server.")
    dicom_tls_certificate: Path | None = Field(None, description="PEM certificate chain of the DICOM listener.")
    dicom_tls_key: Path | None = Field(None, description="PEM private key of the DICOM listener.")
    dicom_tls_ca: Path | None = Field(
        None, description="PEM authorities that sign our peers' certificates; required with dicom_tls."
    )
    dicom_tls_check_host: bool = Field(
        True, description="Whether a peer that we call over TLS must have its host name or address in its certificate."
    )

    # Processes
    web_workers: int = Field(1, description="Web server processes.", ge=1, le=64)
    dicom_processes: int = Field(1, description="DICOM listener processes on one port (SO_REUSEPORT).", ge=1, le=64)
    decoder_processes: int = Field(2, description="Processes that decode pixel data, per server process.", ge=1, le=64)
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_format: str = Field("auto", description="json, text, or auto (text on a terminal).")
    shutdown_timeout_s: float = Field(20.0, description="Time to finish work in hand on SIGTERM.", gt=0)

    # DICOM network limits (PS3.8)
    pdu_max_bytes: int = Field(1 << 20, description="Longest PDU that we offer to receive.", ge=4096, le=1 << 26)
    associations_max: int = Field(64, description="Associations open at once; more are refused as transient.", ge=1)
    associations_per_peer_max: int = Field(16, description="Associations open at once from one address.", ge=1)
    association_request_max_bytes: int = Field(1 << 18, description="Longest A-ASSOCIATE-RQ accepted.", ge=4096)
    artim_timeout_s: float = Field(30.0, description="ARTIM: time to send the request, or to close.", gt=0)
    association_idle_timeout_s: float = Field(300.0, description="An association without traffic is aborted.", gt=0)
    network_timeout_s: float = Field(60.0, description="Longest wait for the rest of a PDU, or for a peer.", gt=0)
    connect_timeout_s: float = Field(10.0, description="Longest wait for a connection to a peer.", gt=0)
    command_max_bytes: int = Field(1 << 16, description="Longest DIMSE command set accepted.", ge=1024)
    identifier_max_bytes: int = Field(1 << 20, description="Longest C-FIND, C-MOVE or C-GET identifier.", ge=1024)
    information_max_bytes: int = Field(
        16 << 20, description="Longest data set of a DIMSE-N message: it names about 100,000 instances.", ge=1024
    )
    operations_max: int = Field(
        16, description="Asynchronous operations window offered to peers that ask for one.", ge=1, le=1000
    )
    send_associations_max: int = Field(
        4, description="Associations opened to one peer at once for one big send.", ge=1, le=16
    )
    send_associations_per_peer_max: int = Field(
        8, description="Associations open to one peer at once for all sends and C-MOVEs, of all machines.", ge=1, le=64
    )
    send_wait_s: float = Field(
        300.0, description="Longest that a send waits for one of them; then it fails, and a job is tried again.", gt=0
    )

    # HTTP limits
    http_connections_max: int = Field(
        4096, description="HTTP connections open at once, per web process; more wait to be accepted.", ge=16
    )
    http_header_timeout_s: float = Field(
        20.0, description="Time for the head of a request, and between two requests on one connection.", gt=0
    )
    http_body_timeout_s: float = Field(
        30.0,
        description="Longest wait for the body of a request, on top of what its length takes at 8 KiB a second.",
        gt=0,
    )
    http_head_max_bytes: int = Field(128 << 10, description="Longest head of a request.", ge=16 << 10)
    stow_failures_max: int = Field(
        1000, description="Parts of one STOW-RS request that may fail; then the rest of it is not read.", ge=1
    )

    # What may come in
    instance_max_bytes: int = Field(16 << 30, description="Longest instance accepted.", ge=1 << 20)
    header_max_bytes: int = Field(256 << 20, description="Longest data set without its pixel data.", ge=1 << 16)
    sequence_depth_max: int = Field(
        64, description="Deepest nesting of sequences read; JSON has room for 84.", ge=4, le=80
    )
    elements_max: int = Field(2_000_000, description="Most elements read from one data set.", ge=1000)
    level_elements_max: int = Field(
        65_536,
        description="Most elements side by side in one data set or one item; sequences may have more in all.",
        ge=1000,
    )
    inflate_max_bytes: int = Field(1 << 30, description="Longest data set out of a deflated one.", ge=1 << 20)
    frames_max: int = Field(1_000_000, description="Most frames in one instance.", ge=1)
    stow_request_max_bytes: int = Field(64 << 30, description="Longest STOW-RS request.", ge=1 << 20)
    stow_metadata_max_bytes: int = Field(
        32 << 20, description="Longest metadata (JSON or XML) in one STOW-RS request.", ge=1 << 16
    )
    stow_metadata_values_max: int = Field(
        4_000_000,
        description="Most values in the metadata of one STOW-RS request; an attribute or item counts like some.",
        ge=10_000,
    )
    stow_metadata_instances_max: int = Field(
        10_000, description="Most instances of metadata in one STOW-RS request.", ge=1
    )
    stow_bulk_waiting_max: int = Field(
        200, description="Bulk data that one STOW-RS request may leave to come after its metadata, at once.", ge=1
    )
    stow_requests_max: int = Field(16, description="STOW-RS requests stored at once; more wait.", ge=1, le=256)
    upload_file_max_bytes: int = Field(16 << 30, description="Longest file in an upload.", ge=1 << 20)
    zip_members_max: int = Field(200_000, description="Most files in an uploaded or imported ZIP.", ge=1)
    zip_ratio_max: int = Field(200, description="Most times a ZIP member may grow when unpacked.", ge=2)
    disk_reserve_bytes: int = Field(256 << 20, description="Below this much free disk nothing is accepted.", ge=0)

    # What may go out
    query_page_max: int = Field(10_000, description="Most matches in one page of a query.", ge=1)
    query_page_default: int = Field(
        1000,
        description="Matches in a page across studies when the caller names no limit; within a study, the most.",
        ge=1,
    )
    find_matches_max: int = Field(100_000, description="Most matches of one C-FIND.", ge=1)
    decode_timeout_s: float = Field(30.0, description="Longest time to decode one frame.", gt=0)
    decode_memory_bytes: int = Field(4 << 30, description="Memory of one decoder process.", ge=256 << 20)
    decode_waiting_max: int = Field(
        64, description="Frames that wait to be decoded; more are answered 503 with Retry-After.", ge=1
    )
    frame_pixels_max: int = Field(200_000_000, description="Most samples in one frame that we decode.", ge=1)
    report_items_max: int = Field(20_000, description="Content items of a structured report shown as a page.", ge=1)
    report_depth_max: int = Field(
        32, description="Levels of content items of a structured report shown as a page.", ge=1, le=60
    )
    report_characters_max: int = Field(
        4_000_000, description="Characters of a structured report shown as a page.", ge=1000
    )
    waveform_samples_max: int = Field(
        4_000_000, description="Samples of a waveform, of all channels together, in one answer.", ge=1000
    )
    waveform_groups_max: int = Field(64, description="Multiplex groups of a waveform that are shown.", ge=1)
    waveform_channels_max: int = Field(1024, description="Channels of a multiplex group that are shown.", ge=1)
    waveform_annotations_max: int = Field(10_000, description="Annotations of a waveform that are shown.", ge=1)
    cine_frames_max: int = Field(2000, description="Frames of one picture that moves (GIF, MP4).", ge=2)
    cine_side_max: int = Field(1920, description="Longest side of a video made of frames, in pixels.", ge=16, le=4096)
    cine_bytes_max: int = Field(64 << 20, description="Longest video made of frames.", ge=1 << 16)
    film_body_max_bytes: int = Field(
        512 << 20, description="Longest request with the pictures of a film that a viewport plays.", ge=1 << 16
    )
    video_cut_bytes_max: int = Field(
        512 << 20, description="Longest video that frames are cut out of; it is held in memory meanwhile.", ge=1 << 16
    )
    written_references_max: int = Field(
        2000, description="Instances that an object made by a reader (key images, a state) may be about.", ge=1
    )
    written_source_max_bytes: int = Field(
        64 << 20, description="Longest header, without pixels, that such an object is made from.", ge=1 << 16
    )
    segmentation_voxels_max: int = Field(
        1 << 28, description="Voxels of the frames that a segmentation made by a reader is about.", ge=1 << 16
    )
    segmentation_body_max_bytes: int = Field(
        64 << 20, description="Longest request with a segmentation, whose masks are compressed.", ge=1 << 10
    )
    presentation_marks_max: int = Field(
        10_000, description="Graphic and text objects of a presentation state that is rendered.", ge=1
    )
    presentation_frames_max: int = Field(
        64, description="Frames of which one picture of a presentation state is made: masks, what is laid over.", ge=1
    )
    render_cache_bytes: int = Field(256 << 20, description="Rendered thumbnails and videos kept on disk.", ge=0)
    rendition_cache_bytes: int = Field(
        16 << 30,
        description="HTJ2K copies of frames kept beside the originals, the longest unused removed; 0: none are made.",
        ge=0,
    )
    rendition_pack_bytes: int = Field(
        256 << 20, description="A file of such copies is closed at this length and another begun.", ge=1 << 16
    )

    # Database
    transaction_timeout_s: float = Field(30.0, description="Longest wait for a turn to write, or a connection.", gt=0)
    transaction_group_max: int = Field(64, description="Most transactions that share one commit (SQLite).", ge=1)
    database_timeout_s: float = Field(
        60.0, description="Longest wait for the answer to one statement (PostgreSQL); then it counts as away.", ge=1
    )
    database_connections_max: int = Field(32, description="Database connections of one process.", ge=2, le=1000)

    # Keeping
    series_quiet_s: float = Field(20.0, description="A series without arrivals for so long is packed.", ge=0)
    sweep_interval_s: float = Field(3600.0, description="Time between sweeps for leftovers.", gt=0)
    sweep_age_s: float = Field(600.0, description="Files younger than this are not leftovers yet.", ge=0)
    trash_keep_s: float = Field(
        30 * 86400.0,
        description="Time that what was deleted can be restored; 0: its bytes are removed at once.",
        ge=0,
    )
    scrub_bytes_per_s: int = Field(
        20 << 20,
        description="Kept bytes read again each second to verify their digests, over a minute; 0: never.",
        ge=0,
    )
    scrub_round_s: float = Field(
        30 * 86400.0, description="Time from the start of one verification of everything to the next.", gt=0
    )
    job_lease_s: float = Field(60.0, description="A job whose worker is silent for so long is given to another.", gt=0)
    job_attempts_max: int = Field(8, description="Attempts before a job is parked.", ge=1)
    job_threads: int = Field(2, description="Jobs that one worker process runs at once.", ge=1, le=64)
    job_poll_s: float = Field(0.5, description="Time between looks for jobs that are due.", gt=0)
    job_backoff_s: float = Field(
        10.0, description="Wait before a second attempt; each further wait is 3 times longer.", ge=0
    )
    job_backoff_max_s: float = Field(3600.0, description="Longest wait between two attempts.", ge=0)
    job_destination_max: int = Field(2, description="Jobs to one destination at once.", ge=1)
    job_keep_s: float = Field(7 * 86400.0, description="Time that finished jobs stay in the list.", ge=0)
    peer_check_s: float = Field(300.0, description="Time between two calls (C-ECHO) of each peer; 0: never.", ge=0)
    event_keep_s: float = Field(
        3 * 86400.0,
        description="Time that events are kept: so long a follower of the change feed, or a webhook, may be away.",
        gt=0,
    )
    instance_events: bool = Field(True, description="Whether the change feed tells of each instance that is stored.")
    changes_page_max: int = Field(1000, description="Most changes in one answer of the change feed.", ge=1, le=10_000)
    changes_wait_max_s: float = Field(
        60.0, description="Longest that a request to the change feed waits for one.", gt=0
    )

    # Webhooks
    webhooks_max: int = Field(20, description="Webhooks; each has a thread of its own in a worker.", ge=0, le=100)
    webhook_timeout_s: float = Field(10.0, description="Longest that a receiver may take for one event.", gt=0, le=120)
    webhook_retry_s: float = Field(
        3 * 86400.0, description="Time that we try to deliver an event before the job is parked.", gt=0
    )
    webhook_secret_overlap_s: float = Field(
        86400.0,
        description="Time after a webhook's secret was changed that messages are signed with the one before too.",
        ge=0,
        le=30 * 86400.0,
    )
    webhook_networks: str = Field(
        "",
        description="Addresses or networks, comma-separated, that webhooks may call although they are link-local, "
        "multicast or the metadata service of a cloud.",
    )

    # Worklist (Unified Procedure Steps)
    worklist_label: str = Field(
        "Default", description="Worklist Label of workitems that come without one.", min_length=1, max_length=64
    )
    inventories_max: int = Field(10, description="Inventories that are being made at once.", ge=1)
    inventory_studies_max: int = Field(
        2000, description="Studies in one Inventory instance; a longer inventory is divided.", ge=1
    )
    inventory_records_max: int = Field(
        200_000, description="Study, series and instance records in one Inventory instance.", ge=1
    )
    inventory_keep_s: float = Field(
        30 * 86400.0, description="Time that an inventory can be retrieved after it is complete.", ge=0
    )
    non_patient_instances_max: int = Field(
        100_000, description="Most instances that belong to no patient (hanging protocols and the like) kept.", ge=1
    )
    non_patient_model_max_bytes: int = Field(
        16 << 20,
        description="Longest instance of no patient that is given as DICOM JSON or XML; longer ones as files only.",
        ge=1 << 10,
    )
    workitem_max_bytes: int = Field(1 << 20, description="Longest data set of a workitem.", ge=1 << 12)
    workitems_max: int = Field(200_000, description="Most workitems kept; more are answered 503.", ge=1)
    workitem_keep_s: float = Field(7 * 86400.0, description="Time that a workitem is kept after it ended.", ge=0)
    workitem_lock_max_s: float = Field(
        90 * 86400.0, description="Time after its end that a deletion lock can keep a workitem.", ge=0
    )
    workitem_remember_s: float = Field(
        365 * 86400.0, description="Time that a removed workitem is answered 410 and its UID not used again.", ge=0
    )
    workitem_subscribers_max: int = Field(1000, description="Subscribers to workitems.", ge=1)
    workitem_channels_max: int = Field(
        200, description="Channels for event reports (WebSocket) open at once, per web process.", ge=1
    )
    workitem_reports_max: int = Field(10_000, description="Event reports that wait for one subscriber.", ge=1)
    workitem_report_keep_s: float = Field(
        86400.0, description="Time that an event report waits for a subscriber that cannot be reached.", gt=0
    )

    # Storage commitment (PS3.4 annex J)
    commitment_same_association_s: float = Field(
        10.0,
        description="Time in which a report goes over the association of its request, if that is still open; then a "
        "new one is opened.",
        ge=0,
    )
    commitment_retry_s: float = Field(
        3 * 86400.0,
        description="Time that we try to report, to ask, or to notify of a study, before the job is parked.",
        gt=0,
    )
    commitment_answer_s: float = Field(
        86400.0, description="Time that a peer has to report on what we asked it; then it is a problem.", gt=0
    )
    commitment_keep_s: float = Field(30 * 86400.0, description="Time that settled commitments are kept.", ge=0)

    # People
    session_idle_s: float = Field(8 * 3600.0, description="A session without requests for so long ends.", gt=0)
    session_max_s: float = Field(7 * 86400.0, description="Longest session.", gt=0)
    password_min_length: int = Field(10, description="Shortest password.", ge=8)
    sign_in_attempts_max: int = Field(5, description="Failed sign-ins per name before a pause.", ge=1)
    sign_in_attempts_per_address_max: int = Field(
        20, description="Failed sign-ins per address before a pause; a hospital may share one.", ge=1
    )
    sign_in_window_s: float = Field(300.0, description="Length of that pause, and the time failures count.", gt=0)
    event_streams_max: int = Field(1000, description="Screens that listen for events at once, per web process.", ge=1)
    api_body_max_bytes: int = Field(1 << 20, description="Longest JSON body of a request to the API.", ge=1 << 10)
    preference_max_bytes: int = Field(
        1 << 16, description="Longest value of one preference of a person, as JSON.", ge=1 << 10, le=1 << 20
    )
    priors_max: int = Field(200, description="Most other studies of a patient that are offered beside one.", ge=1)
    hanging_series_max: int = Field(
        200, description="Most series of a study that are looked at to choose what hangs where.", ge=1
    )
    hanging_trial_max: int = Field(5, description="Recent studies that a hanging protocol is tried on.", ge=1, le=20)
    hanging_trial_scanned_max: int = Field(
        1000, description="Most recent studies that are looked at to try a hanging protocol.", ge=1
    )
    hanging_protocols_max: int = Field(100, description="Most hanging protocols of one person, and of the site.", ge=1)
    hanging_history_max: int = Field(
        5, description="Instances kept of what a hanging protocol was before it was changed.", ge=0, le=100
    )
    hanging_undo_s: float = Field(
        86_400, description="Time after a hanging protocol was deleted in which that can be undone.", ge=0
    )
    preferences_max: int = Field(32, description="Most preferences of one person.", ge=1)
    marks_max: int = Field(2000, description="Most marks of one person on one study.", ge=1)
    reports_read_max: int = Field(
        200, description="Most structured reports of a study that are searched for marks; the last ones are.", ge=1
    )
    draft_max_bytes: int = Field(
        4 << 20, description="Longest draft of a person's marks on one study, as JSON.", ge=1 << 16
    )
    drafts_max: int = Field(5000, description="Studies on which a person may have marks that are no report.", ge=1)
    displayed_max_bytes: int = Field(
        1 << 20, description="Longest note of which images of one study were displayed to a person.", ge=1 << 10
    )
    displayed_studies_max: int = Field(
        20_000,
        description="Studies of which it is kept what was displayed to a person; the latest are.",
        ge=1,
    )
    token_days_max: int = Field(366, description="Longest life of an API token.", ge=1)
    setup_link_s: float = Field(86400.0, description="Life of the one-time setup link.", gt=0)

    def dimse_limits(self) -> Limits:
        """Give the DICOM network limits in the form that `dimse` takes."""
        return Limits(
            pdu_max_bytes=self.pdu_max_bytes,
            association_request_max_bytes=self.association_request_max_bytes,
            command_max_bytes=self.command_max_bytes,
            identifier_max_bytes=self.identifier_max_bytes,
            information_max_bytes=self.information_max_bytes,
            associations_max=self.associations_max,
            associations_per_peer_max=self.associations_per_peer_max,
            operations_max=self.operations_max,
            connect_timeout_s=self.connect_timeout_s,
            artim_timeout_s=self.artim_timeout_s,
            network_timeout_s=self.network_timeout_s,
            idle_timeout_s=self.association_idle_timeout_s,
        )

    _toml: ClassVar[Path | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over the file."""
        toml = TomlConfigSettingsSource(settings_cls, toml_file=cls._toml)
        return init_settings, env_settings, toml


def read_settings(config: Path | None = None, **flags: Any) -> Settings:
    """Read the settings once, for this process.

    Raises
    ------
    Refused: a setting has no such name or value; the message names it and says what is expected.
    """
    if config is not None and not config.is_file():
        raise Refused(f"the settings file {config} does not exist")
    Settings._toml = config
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e.get('input')!r})" for e in error.errors()]
        raise Refused("settings: " + "; ".join(lines)) from error
    finally:
        Settings._toml = None


def host_and_port(address: str) -> tuple[str, int]:
    """Split HOST:PORT, also [IPv6]:PORT.

    Raises
    ------
    Refused: there is no port, or it is not a number from 0 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise Refused(f"{address!r} is not HOST:PORT, for example 127.0.0.1:8080")
    return host.strip("[]"), int(port)
