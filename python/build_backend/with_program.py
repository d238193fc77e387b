"""Builds the wheel by maturin, with the `segarena` program among its scripts.

A PEP 517 build backend. `SEGARENA_BUILD_PROFILE` names cargo's profile for both, `release` without
it; the program comes from the checkout that this folder is in. `SEGARENA_BUILT_PROGRAM` names its file
where it has been built already.

`SEGARENA_GLIBC=2.17` builds both for every Linux with that version of the C library or a later one
(a manylinux wheel): Zig, which comes from PyPI, brings the old library's stubs to link against.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Optional

import maturin

PACKAGE = Path(__file__).resolve().parents[1]
SCRIPTS = PACKAGE / "data" / "scripts"
PROFILE = os.environ.get("SEGARENA_BUILD_PROFILE", "release")
GLIBC = os.environ.get("SEGARENA_GLIBC")
BUILT = os.environ.get("SEGARENA_BUILT_PROGRAM")


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    requires: list[str] = maturin.get_requires_for_build_wheel(config_settings)
    return requires + (["ziglang", "cargo-zigbuild"] if GLIBC else [])


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
    shutil.copy2(BUILT or build_program(), program)
    if strip := shutil.which("strip"):
        subprocess.run([strip, program], check=True)
    arguments = f"--profile={PROFILE} --locked"
    if GLIBC:
        arguments += f" --zig --target {host()} --compatibility manylinux_{GLIBC.replace('.', '_')}"
    os.environ["MATURIN_PEP517_ARGS"] = arguments
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_program() -> Path:
    """Builds the program and says where its file is."""
    manifest = PACKAGE.parent / "Cargo.toml"
    if not manifest.is_file():
        raise SystemExit(f"{manifest} is missing: build from a checkout of the whole repository")
    build = ["cargo", "zigbuild", "--target", f"{host()}.{GLIBC}"] if GLIBC else ["cargo", "build"]
    build += ["--locked", "--bin", "segarena", "--profile", PROFILE]
    build += ["--manifest-path", str(manifest), "--message-format", "json-render-diagnostics"]
    told = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in told.splitlines()]
    (program,) = [a["executable"] for a in artifacts if a.get("executable")]
    return Path(program)


def host() -> str:
    """The target that rustc builds for when it is told none."""
    told = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("host: ")]
    return line.removeprefix("host: ")
