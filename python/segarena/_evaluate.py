"""Evaluation of a callable: the program's own run, whose submission asks this process.

The program runs as it does for any submission. What it starts for each interaction is a small
program (`_ask.py`) that tells this process, over a socket in a private folder, which case waits; the
callable is called here, in the thread that called `evaluate`, with the model loaded once.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from . import _ask
from ._events import Bar, Events
from ._program import SegarenaError, program
from ._results import Results
from ._submission import Predict, infer

# Exit status of the program: all done, and done though the submission failed somewhere.
_DONE, _SOME_FAILED = 0, 3
# How often it is looked whether the program has ended, and how far it is, in seconds.
_PERIOD = 0.05


def evaluate(
    predict: Predict,
    *,
    images: str | os.PathLike[str],
    output: str | os.PathLike[str],
    ground_truth: str | os.PathLike[str] | None = None,
    name: str | None = None,
    version: str | None = None,
    track: str = "cvpr25-interactive",
    clicks: int | None = None,
    cases: list[str] | None = None,
    first: int | None = None,
    restart: bool = False,
    progress: bool = True,
) -> Results:
    """Evaluates a callable on a data set, as the program evaluates a submission.

    predict: called with a dictionary of a model input's arrays, as by ``serve``; returns the labels
        (z, y, x). An exception is the failure of that interaction, its traceback the log.
    images, ground_truth: folders of CASE.npz; without ground_truth, ``gts`` is in each image.
    output: the folder of the results: the table, predictions, records and report of the program.
    name: of the submission; by default the callable's.
    version: what tells this callable from an earlier one; by default a hash of its source. A run
        that was stopped goes on where it was if it is the same.
    track, clicks, cases, first, restart: as the program's options of these names.
    progress: shows the progress on standard error: on a terminal as the program does, in a notebook
        and elsewhere by a bar of tqdm.

    Returns the results. KeyboardInterrupt stops the run with what is done kept: the same call goes
    on from there. Raises SegarenaError with the program's message where the run cannot be done.

    An interaction's time is that of the call and of starting a small process. A callable that hangs
    cannot be killed: what the run waits for is Ctrl-C.
    """
    submission = name or _name_of(predict)
    with tempfile.TemporaryDirectory(prefix="segarena-") as private:
        folder = Path(private)
        socket_file = folder / "ask"
        config = folder / "evaluate.toml"
        command = [sys.executable, "-I", "-S", _ask.__file__]
        config.write_text(
            _config(
                {
                    "name": submission,
                    "command": command,
                    # Part of the run's fingerprint, as the folder of this file would be.
                    "workdir": os.path.dirname(_ask.__file__),
                    # Names the callable for the run's fingerprint.
                    "env": {"SEGARENA_CALLABLE": version or _version_of(predict)},
                }
            ),
            encoding="utf-8",
        )
        arguments = ["evaluate", "--config", os.fspath(config)]
        arguments += ["--images", os.path.abspath(images), "--output", os.path.abspath(output)]
        arguments += ["--track", track]
        if ground_truth is not None:
            arguments += ["--ground-truth", os.path.abspath(ground_truth)]
        if clicks is not None:
            arguments += ["--clicks", str(clicks)]
        if first is not None:
            arguments += ["--first", str(first)]
        for case in cases or []:
            arguments += ["--case", case]
        if restart:
            arguments.append("--restart")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(socket_file))
            listener.listen()
            listener.settimeout(_PERIOD)
            _run(arguments, listener, socket_file, predict, progress)
    return Results(output)


def _run(
    arguments: list[str], listener: socket.socket, address: Path, predict: Predict, progress: bool
) -> None:
    """Runs the program, answers its submission and shows how far it is, until it ends."""
    has_bars = progress and _is_terminal()
    bar = Bar() if progress and not has_bars else None
    file = os.path.realpath(program())
    command = [file, *arguments, "--events", "-", *([] if has_bars else ["--quiet"])]
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(
            command,
            env={**os.environ, _ask.ADDRESS: os.fspath(address), _ask.PROGRAM: file},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if has_bars else errors,
            # Ctrl-C comes to this process alone, which tells the program.
            start_new_session=True,
        )
        assert running.stdout is not None
        events = Events(running.stdout.fileno(), bar)
        try:
            while running.poll() is None:
                asking = _asked(listener)
                events.read()
                if asking is not None:
                    # At an interrupt it stays open as long as the program runs: to what asks, a
                    # closed one says that nobody else tells the program to stop.
                    _answer(asking, predict)
                    asking.close()
            events.read()
        except BaseException:
            running.send_signal(signal.SIGTERM)
            # The program is not to wait for a reader.
            running.stdout.close()
            running.wait()
            raise
        finally:
            running.stdout.close()
            if bar is not None:
                bar.close()
        if running.returncode not in (_DONE, _SOME_FAILED):
            errors.seek(0)
            said = errors.read().strip()
            raise SegarenaError(said or "the run failed; standard error says why")


def _is_terminal() -> bool:
    """Whether a person sees the program's standard error: in a notebook it is the server's."""
    try:
        return sys.stderr.isatty() and os.isatty(2)
    except (AttributeError, OSError, ValueError):
        return False


def _asked(listener: socket.socket) -> socket.socket | None:
    """The line on which an interaction asks, if one does soon."""
    try:
        asking, _ = listener.accept()
    except socket.timeout:
        return None
    asking.settimeout(None)
    return asking


def _answer(asking: socket.socket, predict: Predict) -> None:
    """Answers one interaction, if it still asks."""
    with asking.makefile("r", encoding="utf-8") as lines:
        line = lines.readline()
    if not line.endswith("\n"):
        # The program has killed what asked.
        return
    asked: dict[str, str] = json.loads(line)
    failure = ""
    try:
        infer(predict, asked["case"], Path(asked["inputs"]), Path(asked["outputs"]))
    except Exception:
        failure = traceback.format_exc()
    try:
        asking.sendall(json.dumps({"failure": failure}).encode() + b"\n")
    except OSError:
        # It took too long, and the program has killed what asked.
        pass


def _config(submission: dict[str, Any]) -> str:
    env = {"INPUTS": "{inputs}", "OUTPUTS": "{outputs}", "CASE": "{case}"}
    return (
        f'[backend]\nkind = "process"\nenv = {_inline_table(env)}\n\n'
        f"[[submission]]\nname = {_toml(submission['name'])}\n"
        f"command = {_toml(submission['command'])}\n"
        f"workdir = {_toml(submission['workdir'])}\nenv = {_inline_table(submission['env'])}\n"
    )


def _inline_table(table: dict[str, str]) -> str:
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in table.items()) + " }"


def _toml(value: str | list[str]) -> str:
    """A string or a list of them, which JSON writes as TOML does; but TOML knows no surrogates."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _name_of(predict: Predict) -> str:
    name = getattr(predict, "__name__", type(predict).__name__)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.") or "callable"


def _version_of(predict: Predict) -> str:
    try:
        source = inspect.getsource(predict)
    except (OSError, TypeError):
        source = f"{type(predict).__module__}.{type(predict).__qualname__}"
    return hashlib.sha256(source.encode()).hexdigest()[:16]
