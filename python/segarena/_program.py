"""The ``segarena`` program: where it is, and how it is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path


class SegarenaError(RuntimeError):
    """The program stopped with an error; the message is the program's own."""


def program() -> Path:
    """The program's file.

    The file that ``$SEGARENA_PROGRAM`` names, else the one that was installed with this package,
    else the first on ``$PATH``.

    Raises SegarenaError where there is none.
    """
    named = os.environ.get("SEGARENA_PROGRAM")
    if named:
        return Path(named)
    # The second is where `pip install --user` puts it.
    folders = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")]
    for folder in folders:
        if (installed := Path(folder) / "segarena").is_file():
            return installed
    on_path = shutil.which("segarena")
    if on_path:
        return Path(on_path)
    raise SegarenaError(
        f"there is no segarena program, neither in {' nor in '.join(folders)} nor on PATH: install the package's "
        "wheel, which carries it, or name the program's file in SEGARENA_PROGRAM"
    )


def run(*arguments: str | os.PathLike[str]) -> str:
    """Runs the program and returns what it printed.

    Raises SegarenaError with what it said if it failed.
    """
    command = [str(program()), *(os.fspath(argument) for argument in arguments)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise SegarenaError(done.stderr.strip() or f"{command} ended with {done.returncode}")
    return done.stdout
