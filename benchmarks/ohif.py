"""OHIF as its makers publish it, beside Filmless: one nginx serves both, and asks one Filmless for the images."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import servers

VERSION = "3.13.2"
# The registry's own sum of the package; what does not match is not run.
SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
_COMPRESSED = {".js", ".css", ".html", ".json", ".svg", ".wasm"}

_CONFIG = {
    "routerBasename": "/",
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 3,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "maxNumRequests": {"interaction": 100, "thumbnail": 5, "prefetch": 25},
    "defaultDataSourceName": "filmless",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "filmless",
            "configuration": {
                "friendlyName": "Filmless",
                "name": "filmless",
                "qidoRoot": "/dicomweb",
                "wadoRoot": "/dicomweb",
                "wadoUriRoot": "/wado",
                "qidoSupportsIncludeField": True,
                "supportsReject": False,
                "supportsFuzzyMatching": True,
                "supportsWildcard": True,
                "imageRendering": "wadors",
                "thumbnailRendering": "thumbnail",
                "enableStudyLazyLoad": True,
                "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; {user}
events {{ worker_connections 512; }}
http {{
  include /etc/nginx/mime.types;   access_log off; sendfile on; tcp_nodelay on; gzip_static on; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream filmless {{ server 127.0.0.1:{backend}; keepalive 32; }}
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  proxy_set_header Authorization "{authorization}"; proxy_buffers 64 64k;
  server {{
    listen 127.0.0.1:{ohif}; root {dist};
    location = /app-config.js {{ alias {folder}/app-config.js; }}
    location /dicomweb {{ proxy_pass http://filmless; }}
    location / {{ try_files $uri /index.html; }}
  }}
  server {{ listen 127.0.0.1:{own}; location / {{ proxy_pass http://filmless; }} }}
}}
"""


def problem() -> str | None:
    """What is missing, in words; None when nothing is."""
    if shutil.which("nginx") is None:
        return "nginx is not installed: apt-get install nginx-light"
    if shutil.which("npm") is None:
        return "npm is not installed: it fetches OHIF's package"
    return None


def fetched() -> Path:
    """The folder that OHIF is served from, fetched once and kept in the user's cache.

    Raises
    ------
    RuntimeError: the package cannot be had, or is not the one that this benchmark was written for.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "filmless"
    kept = cache / f"ohif-{VERSION}"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    words = ["npm", "pack", "--silent", "--pack-destination", str(cache), f"@ohif/app@{VERSION}"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=600, cwd=cache)
    package = cache / f"ohif-app-{VERSION}.tgz"
    if done.returncode or not package.exists():
        raise RuntimeError(f"npm pack @ohif/app@{VERSION}: {done.stderr.decode(errors='replace')[-500:]}")
    if base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() != SHA512:
        raise RuntimeError(f"{package} is not the package that is known as @ohif/app {VERSION}")
    making = cache / f"ohif-{VERSION}.new"
    shutil.rmtree(making, ignore_errors=True)
    with tarfile.open(package) as archive:
        archive.extractall(making, filter="data")
    dist = making / "package" / "dist"
    for path in [path for path in dist.rglob("*") if path.suffix in _COMPRESSED]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9))
    dist.rename(kept)
    shutil.rmtree(making)
    package.unlink()
    return kept


@contextlib.contextmanager
def both(folder: Path, server: servers.Server) -> Iterator[tuple[int, int]]:
    """Serve OHIF and Filmless's own screen; give the two ports. nginx signs both in with the server's token."""
    folder.mkdir()
    ohif, own = servers.free_port(), servers.free_port()
    (folder / "app-config.js").write_text(f"window.config = {json.dumps(_CONFIG)};\n")
    text = _NGINX.format(
        folder=folder,
        user="user root;" if os.geteuid() == 0 else "",
        backend=server.web.port,
        authorization=server.web.headers["Authorization"],
        ohif=ohif,
        own=own,
        dist=fetched(),
    )
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        for port in (ohif, own):
            _wait(f"http://127.0.0.1:{port}/", process)
        yield ohif, own
    finally:
        process.terminate()
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not answer")
