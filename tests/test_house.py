"""The house keeps its rules: sizes shrink, and what exists is documented and tested."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from filmless.access.audit import ACTIONS
from filmless.archive.events import NAMES

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src" / "filmless").rglob("*.py"))
FUNCTION_LINES_MAX, FILE_LINES_MAX = 60, 500


def definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@functools.cache
def names_defined(path: Path) -> frozenset[str]:
    return frozenset(function.name for function in definitions(path))


# Exceptions of today, with the reason; the list may only shrink.
LONG_FUNCTIONS: dict[str, str] = {}
LONG_FILES: dict[str, str] = {
    "archive/jobs.py": "the queue and its worker",
    "dicom/pixels.py": "decoding and encoding of one frame",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "filmless").as_posix()


def test_no_function_has_a_second_subject() -> None:
    long = {
        f"{name_of(path)}:{function.name}"
        for path in SOURCES
        if "migrations/versions" not in str(path)
        for function in definitions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert long == set(LONG_FUNCTIONS)


def test_no_file_has_a_second_subject() -> None:
    long = {name_of(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > FILE_LINES_MAX}
    assert long == set(LONG_FILES)


def test_decisions_are_numbered_once_and_say_what_they_must() -> None:
    wanted = ["Context", "Decision", "Consequences", "Alternatives", "Held by"]
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [path.name[:4] for path in pages]  # with gaps, where one is kept for a page that is not there yet
    assert numbers == sorted(set(numbers)) and all(number.isdecimal() for number in numbers)
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}: ")
        assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == wanted, path.name


def test_the_page_of_settings_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "settings_page.py"], capture_output=True, text=True, check=True
    )
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == done.stdout, "run: python tools/settings_page.py > docs/settings.md"


def test_the_page_of_webhooks_says_every_event() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    for name, text in NAMES.items():
        assert f"| `{name}` | {text} |\n" in page, "docs/webhooks.md, Events: a line for each of archive/events.py"


def test_every_command_is_documented() -> None:
    import typer.main

    from filmless.cli.main import app

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    group = typer.main.get_group(app)
    verbs = []
    for name, command in group.commands.items():
        children = getattr(command, "commands", None)
        verbs += [f"{name} {child}" for child in children] if children else [name]
    assert [verb for verb in verbs if f"filmless {verb}" not in page] == []


@pytest.mark.parametrize("page", ["dicom.md", "dicomweb.md"])
def test_every_conformance_claim_names_a_test_that_exists(page: str) -> None:
    text = (ROOT / "docs" / "conformance" / page).read_text(encoding="utf-8")
    claims = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", text)
    assert len(claims) > 20
    for file, test in claims:
        path = ROOT / file
        assert path.is_file(), f"{page} names {file}, which does not exist"
        if test:
            assert test in names_defined(path), f"{page} names {file}::{test}, which does not exist"


def test_the_screen_has_a_word_for_all_that_the_audit_trail_tells_of() -> None:
    words = ROOT / "web" / "src" / "app" / "i18n"
    for language in sorted(words.glob("*.json")):
        assert set(json.loads(language.read_text("utf-8"))["audit"]["actions"]) == ACTIONS, language.name
    recorders = {
        "record",
        "record_repeated",
        "record_transfer",
        "record_start",
        "record_end",
        "_record",
        "_add",
        "save",
    }
    written = {
        (name_of(path), argument.value)
        for path in SOURCES
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in recorders
        for argument in (*call.args[2:5:2], *(each.value for each in call.keywords if each.arg == "action"))
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str) and argument.value
    }
    assert {each for each in written if each[1] not in ACTIONS} == set()
    assert len({action for _, action in written}) > len(ACTIONS) * 3 // 4
