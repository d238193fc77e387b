"""The tests' submission, as a callable: tests/fixtures/model/predict.py of the repository."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
PARITY = FIXTURES / "parity"


def ran_as_file(case):
    """Has the repository's model do one case in folders of its own."""
    name = case.get("name", "case") + ".npz"
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = Path(folder, "inputs"), Path(folder, "outputs")
        inputs.mkdir()
        outputs.mkdir()
        members = {key: value for key, value in case.items() if key != "name" and value is not None}
        np.savez(inputs / name, **members)
        request = {"segarena": "infer", "case": name, "inputs": str(inputs), "outputs": str(outputs)}
        model().stdin.write(json.dumps(request) + "\n")
        model().stdin.flush()
        answer = answered()
        if answer["segarena"] != "done":
            raise RuntimeError(f"the stand-in failed: {answer}")
        with np.load(outputs / name) as written:
            return written["segs"]


@functools.lru_cache(maxsize=None)
def model():
    """The model, kept warm; it ends with the tests, when its standard input does."""
    started = subprocess.Popen(
        [sys.executable, FIXTURES / "model" / "predict.py"],
        env={**os.environ, "SEGARENA_SERVE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert '"ready"' in started.stdout.readline() + started.stdout.readline()
    return started


def answered():
    """The model's next answer, before which there is an empty line."""
    for line in model().stdout:
        if line.strip():
            return json.loads(line)
    raise RuntimeError("the stand-in has ended")
