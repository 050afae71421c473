"""Figures beside their targets (DESIGN.md section 11), as a table on standard output and as JSON."""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path


def on_what(is_scaled: bool) -> str:
    """The shape of Filmless that a report is about, in words."""
    return "; Filmless on PostgreSQL and S3" if is_scaled else "; Filmless on SQLite and disk"


@dataclass
class Line:
    """One comparison; the ratio says how many times better ours is, whichever way the figures run."""

    what: str
    unit: str
    ours: float
    theirs: float | None
    target: float | None
    higher_is_better: bool = True
    of: str = "Orthanc"

    @property
    def ratio(self) -> float | None:
        if self.theirs is None or not self.ours or not self.theirs:
            return None
        return self.ours / self.theirs if self.higher_is_better else self.theirs / self.ours

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        reached = self.ratio if self.theirs is not None else self.ours
        if reached is None:
            return "not run"
        if self.theirs is None:  # a limit of its own, in the unit of the line
            return "met" if (reached >= self.target) == self.higher_is_better else "NOT MET"
        return "met" if reached >= self.target else "NOT MET"


class Report:
    """Collects lines and prints each as it is known."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.lines: list[Line] = []
        self.notes: list[str] = []
        print(f"\n{title}")
        print(
            f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
        )
        print(f"\n{'':58} {'Filmless':>11} {'other':>11}  {'ratio':>8} {'target':>8}")

    def add(self, line: Line) -> None:
        """Take and print one line."""
        self.lines.append(line)
        theirs = "-" if line.theirs is None else f"{line.theirs:,.1f}"
        ratio = "-" if line.ratio is None else f"{line.ratio:.2f}x"
        target = "" if line.target is None else f"{line.target:g}x" if line.theirs is not None else f"{line.target:g}"
        what = f"{line.what} [{line.unit}]"
        other = "" if line.of == "Orthanc" else f"  (of {line.of})"
        print(f"{what:58} {line.ours:11,.1f} {theirs:>11}  {ratio:>8} {target:>8}  {line.verdict}{other}", flush=True)

    def note(self, text: str) -> None:
        """Say something that is no comparison."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def finish(self, path: Path | None) -> int:
        """Write JSON if asked to; the number of targets that were not met."""
        missed = [line for line in self.lines if line.verdict == "NOT MET"]
        counted = [line for line in self.lines if line.verdict]
        if counted:
            print(f"\n{len(counted) - len(missed)} of {len(counted)} targets met" + (":" if missed else "."))
        for line in missed:
            print(f"  not met: {line.what}")
        if path is not None:
            lines = [vars(line) | {"ratio": line.ratio, "verdict": line.verdict} for line in self.lines]
            told = {"title": self.title, "date": str(datetime.date.today()), "lines": lines, "notes": self.notes}
            path.write_text(json.dumps(told, indent=1))
        return len(missed)
