"""The connection to a bucket of S3, or of what speaks like it; of Azure, of Google: credentials, time limits, failures.

What the store cannot do for now is Unavailable, and works again when it can.

The library's threads do not survive a fork: nothing is asked of a bucket before the supervisor forks. (ADR-0013)
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
import structlog
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store

from filmless.archive.writing import Incoming
from filmless.config import Settings
from filmless.errors import NotFound, Refused, Unavailable

logger = structlog.get_logger()

_CHECK_TIMEOUT_S: Final = 5.0
_CHECK_KEPT_S: Final = 2.0
_PROBE: Final = "filmless"
_PROBE_TEXT: Final = b"Filmless keeps its blobs here. Do not change or remove what lies beside this object.\n"


class Bucket:
    """The connection of one process to the place that `blobs_url` names."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        url = urlsplit(settings.blobs_url or "")
        prefix = url.path.strip("/")
        self.name = f"{url.scheme}://{url.hostname or url.netloc}" + (f"/{prefix}" if prefix else "")
        self.incoming = Incoming(settings.data / "spool", settings.disk_reserve_bytes)
        self._mutex = threading.Lock()
        self._refuses_to_overwrite: bool | None = None
        self._checked_at = -_CHECK_KEPT_S
        self._check_problem: str | None = None
        retries = {
            "max_retries": settings.blobs_retries,
            "retry_timeout": timedelta(seconds=settings.blobs_timeout_s),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
        }
        self.store = _open(settings, settings.blobs_timeout_s, retries)
        self._quick_store = _open(settings, _CHECK_TIMEOUT_S, {"max_retries": 0})

    @contextmanager
    def asked(self, what: str) -> Iterator[None]:
        """Turn the failures of the store into ours; `what` is what cannot be done.

        Raises
        ------
        NotFound: there is no such object. Unavailable: all else.
        """
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
                raise Unavailable(f"{what}: there is no bucket {self.name} (blobs_url)") from None
            raise NotFound(f"{what}: it is not in {self.name}") from None
        except exceptions.BaseError as error:
            # Without the cause: its text has addresses that may carry a signature.
            raise Unavailable(f"{what}: {self.name} {_cause_of(error)}") from None

    def refuses_to_overwrite(self) -> bool:
        """Whether the store honours If-None-Match: * (RFC 9110 13.1.2), found out once by a process.

        Raises
        ------
        Unavailable: it is away, or we may not write.
        """
        if self._refuses_to_overwrite is None:
            with self.asked("the object 'filmless' cannot be written"):
                put_new(self.store, _PROBE, _PROBE_TEXT)
                self._refuses_to_overwrite = not put_new(self.store, _PROBE, _PROBE_TEXT)
            if not self._refuses_to_overwrite:
                logger.warning(
                    "bucket_overwrites",
                    bucket=self.name,
                    meaning="it does not honour If-None-Match: each blob is asked for before it is put",
                )
        return self._refuses_to_overwrite

    def check(self) -> None:
        """Raise Unavailable unless the store answers now; what it said is believed for two seconds."""
        with self._mutex:
            if time.monotonic() - self._checked_at >= _CHECK_KEPT_S:
                try:
                    with self.asked("the object 'filmless' cannot be read"):
                        obstore.get(self._quick_store, _PROBE).bytes()
                    self._check_problem = None
                except NotFound:  # of a bucket that nothing was written to yet
                    self._check_problem = None
                except Unavailable as error:
                    self._check_problem = str(error)
                self._checked_at = time.monotonic()
            problem = self._check_problem
        if problem:
            raise Unavailable(problem)


def put_new(store: ObjectStore, path: str, data: bytes) -> bool:
    """Put an object if there is none of that name; whether there was none."""
    try:
        obstore.put(store, path, data, mode="create", use_multipart=False)
    except exceptions.AlreadyExistsError:
        return False
    return True


_SCHEMES: Final = {"s3": "S3", "s3a": "S3", "az": "Azure", "azure": "Azure", "gs": "Google"}


def _open(settings: Settings, timeout_s: float, retries: Any) -> ObjectStore:
    """The library's object for a bucket. What no setting says comes from the environment, as its makers name it."""
    url = urlsplit(settings.blobs_url or "")
    kind = _SCHEMES.get(url.scheme)
    if kind is None or not url.netloc or url.username or url.query:
        raise Refused("blobs_url is not like s3://bucket/prefix, az://container/prefix or gs://bucket/prefix")
    client: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=min(settings.blobs_connect_timeout_s, timeout_s)),
        "timeout": timedelta(seconds=timeout_s),
        "allow_http": (settings.blobs_endpoint or "").startswith("http://"),
        "user_agent": "filmless",
    }
    if settings.blobs_ca_certificates is not None:
        try:
            client["root_certificate"] = settings.blobs_ca_certificates.read_bytes()
        except OSError as error:
            raise Refused(f"blobs_ca_certificates cannot be read: {error}") from error
    prefix = url.path.strip("/") or None
    secret = settings.blobs_secret_access_key
    secret_text = None if secret is None else secret.get_secret_value()
    shared: dict[str, Any] = {"prefix": prefix, "client_options": client, "retry_config": retries}
    try:
        if kind == "S3":
            is_path_style = settings.blobs_path_style
            if is_path_style is None:
                is_path_style = settings.blobs_endpoint is not None
            config = {
                "endpoint": settings.blobs_endpoint,
                "region": settings.blobs_region,
                "access_key_id": settings.blobs_access_key_id,
                "secret_access_key": secret_text,
                "virtual_hosted_style_request": not is_path_style,
            }
            return S3Store(url.netloc, config=_given(config), **shared)  # type: ignore[arg-type]
        if kind == "Azure":
            config = {
                "endpoint": settings.blobs_endpoint,
                "account_name": settings.blobs_access_key_id,
                "account_key": secret_text,
            }
            return AzureStore(url.netloc, config=_given(config), **shared)  # type: ignore[arg-type]
        # The key may name the host too; without a key those of the machine are asked for.
        config = {"base_url": settings.blobs_endpoint, "service_account_key": secret_text}
        return GCSStore(url.netloc, config=_given(config), **shared)  # type: ignore[arg-type]
    except (exceptions.BaseError, ValueError):
        raise Refused(f"blobs_url or its credentials cannot be used for {kind}: look at the blobs_ settings") from None


def _given(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value is not None}


_STATUS: Final = re.compile(r"status code: (\d{3} [A-Za-z ]+?)\s*(?::|$|\n)")


def _cause_of(error: Exception) -> str:
    """What the store said, in plain words, and nothing that may be secret."""
    text = str(error)
    if isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError):
        return "does not accept our credentials, or they do not permit it (blobs_access_key_id)"
    if found := _STATUS.search(text):
        return f"answers {found[1].strip()}"
    if "timed out" in text or "Timeout" in text:
        return "does not answer in time"
    if any(words in text for words in ("dns error", "onnect", "error sending request")):
        return "cannot be reached"
    return f"fails ({type(error).__name__})"
