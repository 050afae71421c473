"""Writes a .gz beside each text file of the built screen, once, so that the server never compresses them."""

from __future__ import annotations

import gzip
from pathlib import Path

SCREEN = Path(__file__).resolve().parent.parent / "src" / "filmless" / "screen"
COMPRESSIBLE = {".js", ".css", ".html", ".json", ".svg", ".wasm", ".webmanifest"}
SMALLEST_BYTES = 1024


def main() -> None:
    """Compress what is new."""
    for path in SCREEN.rglob("*"):
        if path.suffix in COMPRESSIBLE and path.stat().st_size >= SMALLEST_BYTES:
            packed = path.with_name(path.name + ".gz")
            packed.write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


if __name__ == "__main__":
    main()
