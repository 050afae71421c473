"""What the viewer holds in the browser: a stack of 3,000 slices, a film of 500 colour frames, 20 studies in a row.

    python benchmarks/memory.py [--quick] [--json FILE]

Chromium itself tells the sizes: its heap of JavaScript and the array buffers after a collection of garbage, and what
the processes of the page and of the GPU hold (VmRSS). Targets are the budgets of docs/viewer.md; needs chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import servers
from data import Slice, Source
from load import Sink, store
from opening import FLAGS, _chromium
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from report import Line, Report

MB = 2**20
# docs/viewer.md, "Memory": what the page may hold besides its images, what stays of 20 studies, and the longest frame.
BESIDES_IMAGES_MB, LEFT_BEHIND_MB, LONGEST_FRAME_MS = 160.0, 16.0, 250.0

# Counts the GPU contexts of the page that are neither lost nor collected.
COUNT_CONTEXTS = """(() => {
  const made = [];
  for (const kind of [HTMLCanvasElement, OffscreenCanvas]) {
    const { getContext } = kind.prototype;
    kind.prototype.getContext = function (name, ...rest) {
      const context = getContext.call(this, name, ...rest);
      if (name.startsWith('webgl') && context && !made.some((each) => each.deref() === context))
        made.push(new WeakRef(context));
      return context;
    };
  }
  window.__contexts = () => made.filter((each) => each.deref() && !each.deref().isContextLost()).length;
})()"""

# Shows every frame of a stack, each when the one before is on the screen; gives the times between the screen's frames.
SCROLL = """() => new Promise((resolve) => {
  const { viewer } = window.__filmless;
  const count = viewer.viewport('pane1').imageIds.length;
  const begun = performance.now();
  const gaps = [];
  let last = begun;
  let images = 0;
  const look = (now) => {
    gaps.push(now - last);
    last = now;
    const { index, shown, status } = viewer.viewport('pane1');
    images = Math.max(images, viewer.memory().imageBytes);
    if (shown === index && status === 'ready') {
      if (index === count - 1) return resolve({ ms: now - begun, gaps, imageBytes: images });
      viewer.scrollTo('pane1', Math.min(count - 1, index + 1));
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""
READY = """uid => { const v = window.__filmless?.viewer?.viewport('pane1');
  return v?.status === 'ready' && v.shown === 0 && v.imageIds[0].includes(uid) }"""


@dataclass
class Held:
    """What is held at one moment, in MB, and how many."""

    heap_mb: float
    buffers_mb: float
    page_mb: float
    gpu_mb: float
    images_mb: float
    limit_mb: float
    contexts: int
    decoders: int
    listeners: int
    nodes: int


def _resident_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


class Watched:
    """A page and what Chromium tells of it."""

    def __init__(self, browser: Browser, page: Page) -> None:
        self.page = page
        self._cdp: CDPSession = page.context.new_cdp_session(page)
        self._browser: CDPSession = browser.new_browser_cdp_session()
        self._cdp.send("Performance.enable")

    def held(self) -> Held:
        """Collect garbage, then count."""
        for _ in range(2):
            self._cdp.send("HeapProfiler.collectGarbage")
        heap = self._cdp.send("Runtime.getHeapUsage")
        counters = {each["name"]: each["value"] for each in self._cdp.send("Performance.getMetrics")["metrics"]}
        processes: list[dict[str, Any]] = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        resident = {
            kind: max((_resident_mb(each["id"]) for each in processes if each["type"] == kind), default=0.0)
            for kind in ("renderer", "GPU")
        }
        viewer = self.page.evaluate("() => ({ ...window.__filmless.viewer.memory(), contexts: window.__contexts() })")
        return Held(
            heap_mb=heap["usedSize"] / MB,
            buffers_mb=heap.get("backingStorageSize", 0) / MB,
            page_mb=resident["renderer"],
            gpu_mb=resident["GPU"],
            images_mb=viewer["imageBytes"] / MB,
            limit_mb=viewer["imageBytesMax"] / MB,
            contexts=viewer["contexts"],
            decoders=viewer["decoders"],
            listeners=int(counters["JSEventListeners"]),
            nodes=int(counters["Nodes"]),
        )


@contextlib.contextmanager
def opened(browser: Browser, server: servers.Server, study: str, studies: list[str]) -> Iterator[Watched]:
    """The viewer with a study, come from a list of studies."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, extra_http_headers=server.web.headers)
    try:
        page = context.new_page()
        page.set_default_timeout(600_000)
        page.add_init_script(COUNT_CONTEXTS)
        kept = {"studyInstanceUids": studies, "filter": {}, "nextCursor": None}
        page.add_init_script(
            f"sessionStorage.getItem('filmless.readingList') ?? "
            f"sessionStorage.setItem('filmless.readingList', {json.dumps(json.dumps(kept))})"
        )
        page.goto(f"http://{server.web.host}:{server.web.port}/viewer/{study}")
        page.wait_for_function(READY, arg=study)
        yield Watched(browser, page)
    finally:
        context.close()


def film(frames: int, side: int) -> tuple[str, bytes]:
    """A Secondary Capture of many colour frames: its study, and its file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7.4"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = Dataset()
    ds.file_meta = meta
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Film^Frida", "FILM", "19700101", "F"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20240101", "101500", "F1", "1"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber, ds.ConversionType = "OT", "1", "1", "WSD"
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.Rows = ds.Columns = side
    ds.NumberOfFrames, ds.FrameTime = str(frames), "33"
    ds.FrameIncrementPointer = 0x00181063
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    row, column = np.mgrid[:side, :side]
    picture = np.stack([row % 256, column % 256, (row + column) % 256], axis=-1).astype(np.uint8)
    ds.PixelData = b"".join(np.roll(picture, number, axis=0).tobytes() for number in range(frames))
    ds["PixelData"].VR = "OB"
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return ds.StudyInstanceUID, out.getvalue()


def scrolled(report: Report, watched: Watched, what: str) -> None:
    """Scroll from end to end and report."""
    run = watched.page.evaluate(SCROLL)
    held = watched.held()
    gaps = sorted(run["gaps"])
    report.add(Line(f"{what}: images kept", "MB", run["imageBytes"] / MB, None, held.limit_mb, False))
    besides = held.heap_mb + held.buffers_mb - held.images_mb
    report.add(Line(f"{what}: heap and array buffers besides them", "MB", besides, None, BESIDES_IMAGES_MB, False))
    report.add(Line(f"{what}: longest frame in scrolling", "ms", gaps[-1], None, LONGEST_FRAME_MS, False))
    report.note(
        f"{len(gaps)} frames of the screen in {run['ms'] / 1e3:.1f} s, 95th percentile "
        f"{gaps[len(gaps) * 95 // 100]:.0f} ms; heap {held.heap_mb:.0f}, array buffers {held.buffers_mb:.0f}, "
        f"page {held.page_mb:.0f}, GPU process {held.gpu_mb:.0f} MB; {held.contexts} GPU contexts, "
        f"{held.decoders} decoders"
    )


def in_a_row(report: Report, watched: Watched, studies: list[str]) -> None:
    """Go through studies by the key for the next one, and report what stays."""
    after: list[Held] = []
    for study in studies[1:]:
        watched.page.keyboard.press("Shift+PageDown")
        watched.page.wait_for_function(READY, arg=study)
        after.append(watched.held())
    first, last = after[1], after[-1]  # by the second everything is loaded that is loaded once
    grown = last.heap_mb + last.buffers_mb - last.images_mb - (first.heap_mb + first.buffers_mb - first.images_mb)
    report.add(Line(f"{len(studies)} studies: what stays behind", "MB", grown, None, LEFT_BEHIND_MB, False))
    report.add(
        Line(f"{len(studies)} studies: GPU contexts that stay", "", last.contexts - first.contexts, None, 1, False)
    )
    report.note(
        f"heap {first.heap_mb:.1f} to {last.heap_mb:.1f}, page {first.page_mb:.0f} to {last.page_mb:.0f}, "
        f"GPU process {first.gpu_mb:.0f} to {last.gpu_mb:.0f} MB; listeners {first.listeners} to {last.listeners}, "
        f"nodes {first.nodes} to {last.nodes}, GPU contexts {first.contexts} to {last.contexts}, "
        f"decoders {first.decoders} to {last.decoders}"
    )


def stored(server: servers.Server, folder: Path, stacks: list[list[Slice]], film_file: bytes) -> None:
    """Bring all data in: the large stack by one association, all others by a second."""
    large, *others = stacks
    store(server.peer, [large, [one for stack in others for one in stack]], quickack=True)
    (folder / "film.dcm").write_bytes(film_file)
    servers.command(server.folder, "import", str(folder / "film.dcm"))
    time.sleep(2)  # the studies are listed when their series have been quiet for a second


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="a tenth of the slices and frames, of half the side")
    words.add_argument("--json", type=Path)
    asked = words.parse_args()
    slices, frames, count, side = (300, 50, 6, 256) if asked.quick else (3000, 500, 20, 512)
    source = Source(17, side)
    stack = source.study(slices, per_series=slices)
    others = [source.study(20, per_series=20) for _ in range(count)]
    film_study, film_file = film(frames, side)
    uids = [one[0].study for one in others]
    report = Report("What the viewer holds in the browser")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Sink()) as sink,
        servers.filmless(Path(folder) / "filmless", sink.port, series_quiet_s="1") as server,
        sync_playwright() as playwright,
    ):
        stored(server, Path(folder), [stack, *others], film_file)
        flags = [*FLAGS, "--enable-precise-memory-info"]
        browser = playwright.chromium.launch(executable_path=_chromium(), args=flags)
        with contextlib.closing(browser):
            with opened(browser, server, stack[0].study, []) as watched:
                scrolled(report, watched, f"{slices:,} slices of {side} x {side}")
            with opened(browser, server, film_study, []) as watched:
                scrolled(report, watched, f"{frames} colour frames of {side} x {side}")
            with opened(browser, server, uids[0], uids) as watched:
                in_a_row(report, watched, uids)
    report.finish(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
