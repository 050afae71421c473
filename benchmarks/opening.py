"""How soon a reader sees the images: Filmless's viewer and OHIF open the same CT series from the same server.

    python benchmarks/opening.py [--quick] [--json FILE] [--pictures FOLDER]

Each opening begins with an empty browser cache and ends with all frames loaded; viewers take turns, the median counts.
A first image is the first canvas that is not dark; all panels are on. Needs Debian's chromium and nginx-light, and npm.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ohif
import renditions
import servers
from data import Slice, Source
from line import line_to
from load import Sink, store
from playwright.sync_api import Browser, sync_playwright
from report import Line, Report

SIDE, MBIT, ROUND_TRIP_MS = 512, 50.0, 20.0
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# Looks at every canvas of some size until one holds something bright; the same for both viewers.
WATCH = """(() => {
  performance.setResourceTimingBufferSize(10000);
  const small = new OffscreenCanvas(32, 32);
  const context = small.getContext('2d', { willReadFrequently: true });
  window.__firstImage = null;
  const look = () => {
    for (const canvas of document.querySelectorAll('canvas')) {
      if (canvas.width < 200 || canvas.height < 200) continue;
      context.clearRect(0, 0, 32, 32);
      context.drawImage(canvas, 0, 0, 32, 32);
      const { data } = context.getImageData(0, 0, 32, 32);
      let bright = 0;
      for (let at = 0; at < data.length; at += 4) if (data[at] > 40 && data[at + 3] > 0) bright += 1;
      if (bright > 50) { window.__firstImage = performance.now(); return; }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""
FRAMES = """() => {
  const frames = performance.getEntriesByType('resource').filter(
    (entry) => entry.name.includes('/frames/') && entry.responseEnd > 0);
  const begun = Math.min(...frames.map((entry) => entry.startTime));
  const done = Math.max(...frames.map((entry) => entry.responseEnd));
  return [new Set(frames.map((entry) => entry.name)).size, begun, done];
}"""


@dataclass
class Opening:
    """One opening, in ms since navigation."""

    first_image_ms: float
    frames_begun_ms: float
    frames_done_ms: float
    phases: dict[str, float]


def open_once(browser: Browser, url: str, frames: int, picture: Path | None) -> Opening:
    """Open a study in a browser without any cache, and wait for its first image and all frames."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(url, wait_until="commit")
        page.wait_for_function("() => window.__firstImage !== null", timeout=120_000)
        end = time.monotonic() + 120
        while (told := page.evaluate(FRAMES))[0] < frames:
            if time.monotonic() > end:
                raise RuntimeError(f"{url}: {told[0]} of {frames} frames after two minutes")
            time.sleep(0.1)
        if picture is not None:
            page.wait_for_timeout(500)
            page.screenshot(path=picture)
        phases = page.evaluate("() => window.__filmless?.viewer?.timings ?? {}")
        return Opening(page.evaluate("() => window.__firstImage"), told[1], told[2], phases)
    finally:
        context.close()


def _chromium() -> str:
    return next(path for name in BROWSERS if (path := shutil.which(name)))


def compare(
    report: Report, ports: tuple[int, int], slices: list[Slice], rounds: int, asked: argparse.Namespace
) -> None:
    """Open in turns, near and over the line, and report."""
    study, series = slices[0].study, slices[0].series
    paths = (f"/viewer?StudyInstanceUIDs={study}", f"/viewer/{study}?series={series}")
    names = ("OHIF", "Filmless")
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        browser = stack.enter_context(
            contextlib.closing(playwright.chromium.launch(executable_path=_chromium(), args=FLAGS))
        )
        lines = [stack.enter_context(line_to(port, mbit=MBIT, round_trip_ms=ROUND_TRIP_MS)) for port in ports]
        for where, at, target in (("local", ports, 2.0), (f"{MBIT:g} Mbit/s, {ROUND_TRIP_MS:g} ms", lines, 2.5)):
            runs: dict[str, list[Opening]] = {name: [] for name in names}
            for turn in range(rounds):
                for name, port, path in zip(names, at, paths, strict=True):
                    picture = asked.pictures and asked.pictures / f"{name}-{where.split(',')[0].replace(' ', '-')}.png"
                    runs[name].append(
                        open_once(
                            browser,
                            f"http://127.0.0.1:{port}{path}",
                            len(slices),
                            picture if turn == 0 else None,
                        )
                    )
            first = {name: statistics.median(run.first_image_ms for run in runs[name]) for name in names}
            done = {name: statistics.median(run.frames_done_ms for run in runs[name]) for name in names}
            spent = {
                name: statistics.median(run.frames_done_ms - run.frames_begun_ms for run in runs[name])
                for name in names
            }
            report.add(Line(f"first image, {where}", "ms", first["Filmless"], first["OHIF"], target, False, "OHIF"))
            report.add(Line(f"all frames, {where}", "ms", done["Filmless"], done["OHIF"], None, False, "OHIF"))
            limit = 4000 if at is lines else None
            report.add(
                Line(f"all frames since the first was asked for, {where}", "ms", spent["Filmless"], None, limit, False)
            )
            ours = sorted(runs["Filmless"], key=lambda run: run.first_image_ms)[rounds // 2].phases
            report.note("phases, ms: " + ", ".join(f"{step} {ms:.0f}" for step, ms in ours.items()))


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--quick", action="store_true", help="three rounds in place of seven")
    words.add_argument("--slices", type=int, default=100)
    words.add_argument("--json", type=Path)
    words.add_argument("--pictures", type=Path, help="a folder for a screenshot of each")
    asked = words.parse_args()
    if missing := ohif.problem():
        print(missing, file=sys.stderr)
        return 2
    slices = Source(11, SIDE).study(asked.slices, per_series=asked.slices)
    report = Report("Opening a CT series of 100 slices of 512 x 512 in the browser; Filmless on SQLite and disk")
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Sink()) as sink,
        servers.filmless(Path(folder) / "filmless", sink.port, series_quiet_s="1") as server,
        ohif.both(Path(folder) / "nginx", server) as ports,
    ):
        store(server.peer, [slices], quickack=True)
        renditions.wait_for_copies(server.web, [renditions.path_of(one) for one in slices])
        compare(report, ports, slices, 3 if asked.quick else 7, asked)
    report.finish(asked.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
