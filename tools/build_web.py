"""Build hook: puts the built screen (web/) into the wheel and the sdist.

It stands under [tool.hatch.build.hooks.custom], not under one target, so that the sdist carries the built
screen too and a wheel is built from it without Node.js.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ScreenBuildHook(BuildHookInterface):
    """Run `npm ci` and `npm run build` unless the screen is there already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build src/filmless/screen; an editable install is left alone (`make setup` builds the screen)."""
        if version == "editable":
            return
        root = Path(self.root)
        screen = root / "src" / "filmless" / "screen"
        build_data["artifacts"].append("src/filmless/screen/**")
        if (screen / "index.html").exists() and not (root / ".git").exists():
            return  # unpacked from an sdist
        tools = root / "tools"
        for arguments in (["ci"], ["run", "build"]):
            subprocess.run([sys.executable, tools / "node.py", "npm", *arguments], check=True)
        subprocess.run([sys.executable, tools / "compress_screen.py"], check=True)
