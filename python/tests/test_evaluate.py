"""A callable on a data set, and what is read of its results."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from stand_in import PARITY, ran_as_file

import segarena

FOLDERS = {"images": PARITY / "imgs", "ground_truth": PARITY / "gts"}
GOLDEN = json.loads((PARITY / "golden.json").read_text())


@pytest.fixture(autouse=True)
def the_program():
    try:
        segarena.program()
    except segarena.SegarenaError as error:
        pytest.fail(str(error))


def all_background(case):
    return np.zeros(case["imgs"].shape, np.uint8)


def test_the_official_results_come_out_of_a_callable(tmp_path):
    cases = [case for case in GOLDEN if not case.startswith("crash")]
    results = segarena.evaluate(
        ran_as_file, output=tmp_path / "out", cases=cases, progress=False, **FOLDERS
    )
    rows = {row["CaseName"]: row for row in results.table()}
    assert list(rows) == sorted(cases)
    for case in cases:
        for name, expected in GOLDEN[case]["metrics"].items():
            assert rows[case][name] == pytest.approx(expected, abs=1e-9), (case, name)
        with np.load(tmp_path / "out" / "ran_as_file" / case) as saved:
            segs = saved["all_segs"] if "all_segs" in saved.files else saved[saved.files[0]]
        hashes = [hashlib.sha256(segs[i].tobytes()).hexdigest() for i in range(len(segs))]
        assert hashes[-len(GOLDEN[case]["all_segs_sha256"]) :] == GOLDEN[case]["all_segs_sha256"]
    assert (tmp_path / "out" / "report.html").is_file()
    assert segarena.report(tmp_path / "out").is_file()
    compared = segarena.compare(tmp_path / "out", tmp_path / "out")
    assert compared["scores_comparable"] is True


def test_an_exception_is_the_interactions_failure_with_its_traceback(tmp_path, capsys):
    def broken(case):
        if "clicks" in case:
            raise ZeroDivisionError("no reason")
        return all_background(case)

    results = segarena.evaluate(broken, output=tmp_path, first=2, clicks=1, **FOLDERS)
    # There is no terminal, as in a notebook.
    last_state = capsys.readouterr().err.split("\r")[-1]
    assert all(word in last_state for word in ("broken", "2/2", "DSC=0.0", "failed=2")), last_state
    (record,) = [r for r in results.records["broken"] if r["case"] == "crash_at_click_2.npz"]
    assert [i["outcome"] for i in record["interactions"]] == ["ok", "exit"]
    assert "ZeroDivisionError: no reason" in record["interactions"][1]["log_tail"]
    assert "Traceback" in record["interactions"][1]["log_tail"]


def test_an_answer_of_another_shape_is_a_failure_that_names_both(tmp_path):
    results = segarena.evaluate(
        lambda case: all_background(case)[1:],
        name="short", output=tmp_path, first=1, clicks=1, progress=False, **FOLDERS
    )
    (record,) = results.records["short"]
    assert "predict returned an array of shape" in record["interactions"][1]["log_tail"]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    calls = []

    def interrupted(case):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return all_background(case)

    options = dict(output=tmp_path, first=3, clicks=1, progress=False, **FOLDERS)
    with pytest.raises(KeyboardInterrupt):
        segarena.evaluate(interrupted, version="1", **options)
    results = segarena.evaluate(interrupted, version="1", **options)
    assert len(results.table()) == 3
    # One case or two were done before, and are not done again.
    assert len(calls) < 4 + 6
    with pytest.raises(segarena.SegarenaError):
        segarena.evaluate(interrupted, version="2", **options)


KILLED = """
import os, pathlib, signal, sys
import numpy as np, segarena

calls = []

def predict(case):
    calls.append(1)
    if len(calls) == 2 and sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return np.zeros(case["imgs"].shape, np.uint8)

parity, output = sys.argv[2:]
segarena.evaluate(predict, version="1", output=output, images=f"{parity}/imgs",
                  ground_truth=f"{parity}/gts", first=2, clicks=1, progress=False)
"""


def test_a_killed_process_leaves_no_failures_and_the_run_goes_on(tmp_path):
    def run(how):
        command = [sys.executable, "-c", KILLED, how, str(PARITY), str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True)

    assert run("killed").returncode == -signal.SIGKILL
    # The program that it left stops by itself, and lets the folder go then.
    for _ in range(100):
        done = run("whole")
        if done.returncode == 0:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr
    for record in segarena.Results(tmp_path).records["predict"]:
        outcomes = [interaction["outcome"] for interaction in record["interactions"]]
        assert set(outcomes) <= {"ok", "skipped"}, record


def test_what_cannot_be_run_is_told(tmp_path):
    with pytest.raises(segarena.SegarenaError, match="nowhere"):
        segarena.evaluate(
            all_background, images=tmp_path / "nowhere", output=tmp_path / "out", progress=False
        )


def test_results_are_a_data_frame_where_pandas_is(tmp_path):
    pandas = pytest.importorskip("pandas")
    results = segarena.evaluate(
        all_background, output=tmp_path, first=1, clicks=1, progress=False, **FOLDERS
    )
    frame = results.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and len(frame) == 1


SUBMISSION = """
import numpy as np, segarena
def predict(case):
    print("thinking")
    if "fail" in case:
        raise RuntimeError("as asked")
    return np.full(case["imgs"].shape, 3, np.uint8)
segarena.serve(predict)
"""


def folders(tmp_path):
    inputs, outputs = tmp_path / "inputs", tmp_path / "outputs"
    inputs.mkdir()
    np.savez(inputs / "a.npz", imgs=np.zeros((2, 3, 4)), spacing=np.ones(3))
    np.savez(inputs / "notes.npz", other=np.zeros(3))
    environment = {**os.environ, "INPUTS": str(inputs), "OUTPUTS": str(outputs)}
    return inputs, outputs, environment


def test_a_cold_submission_does_what_is_in_its_folder(tmp_path):
    inputs, outputs, environment = folders(tmp_path)
    environment.pop("SEGARENA_SERVE", None)
    done = subprocess.run([sys.executable, "-c", SUBMISSION], env=environment)
    assert done.returncode == 0 and [p.name for p in outputs.iterdir()] == ["a.npz"]
    assert (np.load(outputs / "a.npz")["segs"] == 3).all()
    np.savez(inputs / "b.npz", imgs=np.zeros((2, 3, 4)), fail=np.ones(1))
    done = subprocess.run([sys.executable, "-c", SUBMISSION], env=environment, stderr=-3)
    assert done.returncode == 1


def test_a_warm_submission_answers_line_by_line(tmp_path):
    inputs, outputs, environment = folders(tmp_path)
    np.savez(inputs / "b.npz", imgs=np.zeros((2, 3, 4)), fail=np.ones(1))
    environment["SEGARENA_SERVE"] = "1"

    def request(case):
        request = {"segarena": "infer", "case": case, "interaction": 1, "unknown": [],
                   "inputs": str(inputs), "outputs": str(outputs)}
        return json.dumps(request) + "\n"

    asked = "no request\n" + request("a.npz") + request("b.npz") + request("a.npz")
    done = subprocess.run(
        [sys.executable, "-c", SUBMISSION], env=environment, input=asked,
        capture_output=True, text=True,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert [answer["segarena"] for answer in said] == ["ready", "done", "failed", "done"]
    assert "as asked" in said[2]["reason"] and "Traceback" in done.stderr
    assert "thinking" in done.stderr and done.returncode == 0
    assert (np.load(outputs / "a.npz")["segs"] == 3).all()
