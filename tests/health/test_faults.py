"""Every fault has words that say something, and a line in the documentation with a test that is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from filmless.archive.sentences import SENTENCES, Said, decode, encode, say
from filmless.health.faults import FAULTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "tests/" in line]


@pytest.mark.parametrize("code", sorted(FAULTS))
def test_every_fault_is_documented(code: str) -> None:
    assert any(f"`{code}`" in row for row in ROWS), f"docs/operating.md, When something breaks, lacks {code}"
    fault = FAULTS[code]
    assert fault.level in {"warning", "problem"}
    assert all(text.endswith(".") for text in (fault.title, fault.means, fault.what_to_do))


def test_every_row_names_tests_that_exist() -> None:
    named = [pair for row in ROWS for pair in re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", row)]
    assert len(named) > 20
    for file, test in named:
        path = ROOT / file
        assert path.exists(), file
        assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"


WORDS = sorted((Path(__file__).resolve().parents[2] / "web" / "src" / "app" / "i18n").glob("*.json"))


def health_in(language: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(language.read_text("utf-8"))["health"]
    return found


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{+(\w+)}+", text))


@pytest.mark.parametrize("language", WORDS, ids=lambda path: path.stem)
def test_the_screen_has_words_for_all_that_is_told_of_health(language: Path) -> None:
    words = health_in(language)
    assert set(words["faults"]) == set(FAULTS)
    assert all(
        set(fault) == {"title", "means", "whatToDo"} and all(fault.values()) for fault in words["faults"].values()
    )
    assert {fault.subject for fault in FAULTS.values()} <= set(words["subjects"])
    assert {code: placeholders(text) for code, text in words["sentences"].items()} == {
        code: placeholders(text) for code, text in SENTENCES.items()
    }


def test_the_english_words_of_the_screen_are_those_of_the_server() -> None:
    words = health_in(next(path for path in WORDS if path.stem == "en"))
    for code, fault in FAULTS.items():
        assert words["faults"][code] == {"title": fault.title, "means": fault.means, "whatToDo": fault.what_to_do}
    for code, text in SENTENCES.items():
        assert words["sentences"][code] == re.sub(r"{(\w+)}", r"{{\1}}", text)


def test_a_sentence_is_its_text_and_what_it_was_made_of() -> None:
    why = say("why_later", error="the disk is away")
    said = say("bytes_damaged_no_study", instance="1.2", blob="ab", why=why)
    assert said.endswith("(blob ab). It cannot be repaired now: the disk is away.")
    (kept, advice) = decode(encode(said, "no sentence"), str(said), "no sentence")
    assert isinstance(kept, Said) and (kept, kept.to_json()) == (said, said.to_json())
    assert advice == "no sentence" and not isinstance(advice, Said)
    assert said.to_json()["values"]["why"] == {"code": "why_later", "values": {"error": "the disk is away"}}
    assert (encode("a", "b"), decode(None, "a", "b")) == (None, ("a", "b"))
