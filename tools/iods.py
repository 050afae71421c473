"""Writes src/filmless/dicom/iods.json: what each storage class must have, from highdicom's tables of PS3.3.

    pip download --no-deps highdicom && unzip highdicom-*.whl -d unpacked
    python tools/iods.py unpacked/highdicom/_standard > src/filmless/dicom/iods.json

Of each module that is mandatory for an IOD (PS3.3 annex A) the attributes of its top level of type 1 and of type 2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from filmless.dicom.dictionary import tag_of

# Its tables flatten macros that are included by a condition, such as the value type of a content item.
CONDITIONAL = {"sr-document-content"}


def tables(folder: Path) -> dict[str, Any]:
    """Read the three tables and keep what is asked for."""
    iods, modules, classes = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("iod_module_map", "module_attribute_map", "sop_class_iod_map")
    )
    mandatory = {
        iod: [module["key"] for module in iods[iod] if module["usage"] == "M"] for iod in sorted(set(classes.values()))
    }
    kept = {}
    for name in sorted({module for named in mandatory.values() for module in named} - CONDITIONAL):
        types: dict[str, list[str]] = {"1": [], "2": []}
        for attribute in modules.get(name, ()):
            tag = tag_of(attribute["keyword"])
            if not attribute["path"] and attribute["type"] in types and tag is not None:
                types[attribute["type"]].append(f"{tag:08X}")
        if types["1"] or types["2"]:
            kept[name] = [sorted(set(types["1"])), sorted(set(types["2"]))]
    return {
        "classes": dict(sorted(classes.items())),
        "iods": {iod: [name for name in named if name in kept] for iod, named in mandatory.items()},
        "modules": kept,
    }


if __name__ == "__main__":
    json.dump(tables(Path(sys.argv[1])), sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")
