"""Builds the wheel by maturin, with the `segarena` program among its scripts.

A PEP 517 build backend. `SEGARENA_BUILD_PROFILE` names cargo's profile for both, `release` without
it; the program comes from the checkout that this folder is in.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

import maturin
from maturin import get_requires_for_build_wheel  # noqa: F401: a hook that is maturin's own

PACKAGE = Path(__file__).resolve().parents[1]
SCRIPTS = PACKAGE / "data" / "scripts"
PROFILE = os.environ.get("SEGARENA_BUILD_PROFILE", "release")


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: Optional[dict[str, Any]] = None
) -> str:
    # The folder that pyproject.toml names, which maturin wants to be there.
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    return maturin.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(
    wheel_directory: str,
    config_settings: Optional[dict[str, Any]] = None,
    metadata_directory: Optional[str] = None,
) -> str:
    SCRIPTS.mkdir(parents=True, exist_ok=True)
    program = SCRIPTS / "segarena"
    shutil.copy2(build_program(), program)
    if strip := shutil.which("strip"):
        subprocess.run([strip, program], check=True)
    os.environ["MATURIN_PEP517_ARGS"] = f"--profile={PROFILE} --locked"
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_program() -> Path:
    """Builds the program and says where its file is."""
    manifest = PACKAGE.parent / "Cargo.toml"
    if not manifest.is_file():
        raise SystemExit(f"{manifest} is missing: build from a checkout of the whole repository")
    build = ["cargo", "build", "--locked", "--bin", "segarena", "--profile", PROFILE]
    build += ["--manifest-path", str(manifest), "--message-format", "json-render-diagnostics"]
    told = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in told.splitlines()]
    (program,) = [a["executable"] for a in artifacts if a.get("executable")]
    return Path(program)
