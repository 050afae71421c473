"""Serves the built screen (web/): hashed assets for ever, and one page for every route of the application."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive, Scope, Send

SCREEN = Path(__file__).resolve().parent.parent / "screen"
FOREVER = b"public, max-age=31536000, immutable"

mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("application/manifest+json", ".webmanifest")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the screen, as it is sent."""

    path: Path
    gzip_path: Path | None
    media_type: bytes
    etag: bytes
    is_hashed: bool


def find_assets(folder: Path) -> dict[str, Asset]:
    """List the built files once, so that no request walks the disk or leaves the folder."""
    assets: dict[str, Asset] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.suffix == ".gz" or path.parent.name == "faces":  # for pictures that we draw
            continue
        name = "/" + path.relative_to(folder).as_posix()
        gzip_path = path.with_name(path.name + ".gz")
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        assets[name] = Asset(
            path=path,
            gzip_path=gzip_path if gzip_path.exists() else None,
            media_type=media_type.encode(),
            etag=b'"' + hashlib.sha256(path.read_bytes()).hexdigest()[:20].encode() + b'"',
            is_hashed=name.startswith("/assets/"),
        )
    return assets


class Screen:
    """ASGI application of the screen."""

    def __init__(self, folder: Path = SCREEN) -> None:
        self.assets = find_assets(folder) if folder.is_dir() else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a file, or the page for a route of the application."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        asset = self.assets.get(path)
        if asset is None and not path.startswith("/assets/"):  # a UID has dots too: a suffix says nothing
            asset = self.assets.get("/index.html")
        if scope["method"] not in {"GET", "HEAD"}:
            await _plain(send, 405, b"Only GET and HEAD.")
        elif asset is None:
            built = bool(self.assets)
            text = b"No such page." if built else b"The screen is not built. Run 'make setup', then start again."
            await _plain(send, 404 if built else 503, text)
        else:
            await _send_asset(asset, scope, send)


async def _plain(send: Send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def _send_asset(asset: Asset, scope: Scope, send: Send) -> None:
    wanted = dict(scope["headers"])
    headers = [
        (b"content-type", asset.media_type),
        (b"cache-control", FOREVER if asset.is_hashed else b"no-cache"),
        (b"etag", asset.etag),
        (b"vary", b"accept-encoding"),
    ]
    if asset.etag in wanted.get(b"if-none-match", b""):
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    path = asset.path
    if asset.gzip_path and b"gzip" in wanted.get(b"accept-encoding", b""):
        path = asset.gzip_path
        headers.append((b"content-encoding", b"gzip"))
    headers.append((b"content-length", str(path.stat().st_size).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] == "HEAD":
        await send({"type": "http.response.body", "body": b""})
    elif "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": str(path)})
    else:
        await send({"type": "http.response.body", "body": path.read_bytes()})
