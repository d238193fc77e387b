"""The submission side: a callable that is asked through files, cold and warm."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import numpy.typing as npt

Predict = Callable[["dict[str, Any]"], npt.ArrayLike]
"""A model input's arrays by name in, the labels (z, y, x) out."""


def infer(predict: Predict, case: str, inputs: Path, outputs: Path) -> None:
    """Reads one model input, predicts, and writes the prediction whole or not at all."""
    with np.load(inputs / case, allow_pickle=True) as data:
        given = {key: data[key] for key in data.files}
    segs = np.asarray(predict(given))
    if segs.shape != given["imgs"].shape:
        raise ValueError(
            f"predict returned an array of shape {segs.shape}, but imgs of {case} has "
            f"{given['imgs'].shape}"
        )
    if segs.dtype.kind not in "biuf":
        raise TypeError(f"predict returned an array of {segs.dtype}, but labels are integers")
    outputs.mkdir(parents=True, exist_ok=True)
    unfinished = outputs / f".{case}.part"
    with open(unfinished, "wb") as file:
        np.savez_compressed(file, segs=segs)
    os.replace(unfinished, outputs / case)


def serve(predict: Predict) -> None:
    """Makes this program a submission that asks ``predict``.

    predict: called with a dictionary of a model input's arrays: ``imgs`` (z, y, x), ``spacing``
        (millimetres), ``boxes`` and, from the second interaction on, ``clicks``, ``clicks_order``
        and ``prev_pred``, in the challenge's forms. Returns the labels (z, y, x).

    Started for each interaction (cold), it does the cases in the inputs folder and returns. With
    ``SEGARENA_SERVE=1`` in the environment (warm), it says that it is ready, answers requests on
    standard input until that ends, and returns; what ``predict`` prints goes to the log. Load the
    model before the call: warm, it is loaded once.

    The folders are ``$INPUTS`` and ``$OUTPUTS``, by default ``/workspace/inputs`` and
    ``/workspace/outputs``.

    Cold, an exception of ``predict`` is raised further, so that the program fails; warm, its
    traceback is logged and the interaction has failed.
    """
    if os.environ.get("SEGARENA_SERVE") == "1":
        _serve_warm(predict)
        return
    inputs = Path(os.environ.get("INPUTS", "/workspace/inputs"))
    outputs = Path(os.environ.get("OUTPUTS", "/workspace/outputs"))
    for case in _cases_in(inputs):
        infer(predict, case, inputs, outputs)


def _cases_in(inputs: Path) -> Iterator[str]:
    """The cases of a folder. A submission may have left other files of its own there."""
    for path in sorted(inputs.glob("*.npz")):
        with np.load(path, allow_pickle=True) as data:
            is_case = "imgs" in data.files
        if is_case:
            yield path.name


def _serve_warm(predict: Predict) -> None:
    sys.stdout.flush()
    # What predict and its libraries print goes to the log and not among the answers.
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w") as answers:

            def say(answer: dict[str, str]) -> None:
                # A line break first, so that an unfinished line before it does no harm.
                answers.write("\n" + json.dumps(answer) + "\n")
                answers.flush()

            say({"segarena": "ready"})
            for line in sys.stdin:
                request = _request(line)
                if request is not None:
                    say(_answer(predict, request))
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _request(line: str) -> dict[str, Any] | None:
    """A request to infer; None for any other line."""
    try:
        request = json.loads(line)
    except ValueError:
        return None
    is_request = isinstance(request, dict) and request.get("segarena") == "infer"
    return request if is_request else None


def _answer(predict: Predict, request: dict[str, Any]) -> dict[str, str]:
    try:
        infer(predict, request["case"], Path(request["inputs"]), Path(request["outputs"]))
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        return {"segarena": "failed", "reason": repr(error)}
    return {"segarena": "done"}
