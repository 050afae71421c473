"""Writes docs/settings.md from the Settings themselves: `python tools/settings_page.py > docs/settings.md`."""

from __future__ import annotations

from filmless.config import Settings

HEAD = """# Settings

Every setting has a name in the TOML file that `FILMLESS_CONFIG` (or `--config`) names, and the same name in capitals
after `FILMLESS_` in the environment: `ae_title` is `FILMLESS_AE_TITLE`. Flags win over the environment, the
environment over the file. `filmless doctor` checks them. This page is written by `tools/settings_page.py`.

| setting | default | what it does |
|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = "unset" if field.default is None else str(field.default)
        if isinstance(field.default, float) and field.default.is_integer():
            default = str(int(field.default))
        if default in {"()", "[]"}:
            default = "none"
        rows.append(f"| `{name}` | {default} | {field.description} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(page(), end="")
