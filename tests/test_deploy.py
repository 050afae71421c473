"""What `deploy/` says exists: settings, roles, units that systemd can read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from filmless.cli.serving import Role
from filmless.config import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())


def test_every_setting_that_is_named_exists() -> None:
    named = {name.lower() for path in FILES for name in re.findall(r"\bFILMLESS_([A-Z_]+)=", path.read_text())}
    assert len(named) > 5
    assert named <= set(Settings.model_fields)


def test_every_role_that_is_named_exists() -> None:
    named = {role for path in FILES for role in re.findall(r"--role,? (\w+)", path.read_text())}
    assert named == {role.value for role in Role} - {"all"}


def test_the_example_of_settings_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (DEPLOY / "filmless.env.example").read_text().splitlines():
        if not line.startswith("#"):
            monkeypatch.setenv(*line.split("=", 1))
    settings = Settings()
    assert settings.blobs_url == "s3://filmless/archive"
    # By default a node listens to its own machine alone, and no balancer would reach it.
    assert {str(settings.http), str(settings.dicom)} == {"0.0.0.0:8080", "0.0.0.0:11112"}


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml"])
def test_the_yaml_can_be_read(name: str) -> None:
    documents = list(yaml.safe_load_all((DEPLOY / name).read_text()))
    assert all(documents)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
@pytest.mark.parametrize("unit", ["filmless.service", "filmless@.service"])
def test_systemd_finds_nothing_wrong_with_a_unit(unit: str, tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / unit).read_text()
    path = tmp_path / unit.replace("@", "@web")
    path.write_text(text.replace("/opt/filmless/.venv/bin/filmless", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert [
        line for line in done.stderr.splitlines() if unit.split(".", maxsplit=1)[0].split("@", maxsplit=1)[0] in line
    ] == []
