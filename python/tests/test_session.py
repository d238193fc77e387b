"""The conversation: the official results, step by step, and what it refuses."""

import hashlib
import json

import numpy as np
import pytest
from stand_in import PARITY, ran_as_file

import segarena

GOLDEN = json.loads((PARITY / "golden.json").read_text())


def load(folder, case):
    with np.load(PARITY / folder / case, allow_pickle=True) as data:
        return {key: data[key] for key in data.files}


@pytest.mark.parametrize("case", [case for case in GOLDEN if not case.startswith("crash")])
def test_the_official_results_come_out_of_a_session(case):
    official = GOLDEN[case]
    image, gts = load("imgs", case), load("gts", case)["gts"]
    boxes = list(image["boxes"]) if official["has_boxes"] else None
    session = segarena.Session(gts=gts, spacing=image["spacing"], boxes=boxes, clicks=5)
    hashes, last = [], None
    for prompt in session:
        given = {"name": case[:-4], "imgs": image["imgs"], "spacing": image["spacing"]}
        given.update(boxes=prompt.boxes, clicks=prompt.clicks)
        given.update(clicks_order=prompt.clicks_order, prev_pred=prompt.previous)
        segs = ran_as_file(given)
        session.answer(segs)
        hashes.append(hashlib.sha256(segs.tobytes()).hexdigest())
        last = prompt
    # The last prompt has every click.
    assert list(last.clicks) == official["clicks"]
    assert last.clicks_order.tolist() == official["clicks_order"]
    assert hashes == official["all_segs_sha256"]
    scores = session.scores
    for name, expected in official["metrics"].items():
        assert scores[name] == pytest.approx(expected, abs=1e-9), name
    assert session.labels == official["labels"]
    assert session.record["labels"] == official["labels"]


def simple():
    gts = np.zeros((6, 7, 8), np.uint8)
    gts[1:4, 2:5, 3:7] = 2
    return gts


def test_prompts_are_in_the_challenges_forms():
    gts = simple()
    session = segarena.Session(gts, (2, 1, 1), boxes="from_labels", clicks=1)
    box = next(session)
    assert (box.kind, box.index, box.clicks, box.previous) == ("box", 1, None, None)
    assert box.boxes.dtype == object and len(box.boxes) == 1
    assert box.boxes[0]["z_min"] == 1 and box.boxes[0]["z_mid_x_max"] == 6
    # The same prompt until it is answered.
    assert next(session).index == 1
    assert session.answer(np.zeros_like(gts)) == {"DSC": 0.0, "NSD": 0.0}
    clicks = next(session)
    assert (clicks.kind, clicks.index) == ("clicks", 2)
    assert clicks.clicks.dtype == object and clicks.clicks_order.dtype == "<U2"
    click = clicks.new_clicks[2]
    assert clicks.clicks[0]["fg"] == [list(click.at)]
    assert clicks.previous.dtype == np.uint8 and clicks.previous.shape == gts.shape
    assert session.answer(gts) == {"DSC": 1.0, "NSD": 1.0}
    assert list(session) == []
    assert session.scores["DSC_2"] == session.scores["DSC_Final"] == 1.0
    outcomes = [interaction["outcome"] for interaction in session.record["interactions"]]
    assert outcomes == ["ok", "ok"]


def test_without_boxes_the_first_interaction_is_skipped():
    gts = simple()
    session = segarena.Session(gts, (1, 1, 1), clicks=2)
    assert [session.answer(gts)["DSC"] for _ in session] == [1.0, 1.0]
    # A perfect label gets no click.
    record = session.record
    assert [i["outcome"] for i in record["interactions"]] == ["skipped", "ok", "ok"]
    assert record["interactions"][2]["clicks"] == [{"label": 2, "kind": None, "at": None}]
    assert session.scores["DSC_1"] == 0.0


def test_a_policy_with_a_memory_has_one():
    gts = simple()
    session = segarena.Session(gts, (1, 1, 1), clicks=3, policy="ritm")
    clicked = []
    for prompt in session:
        clicked.append(prompt.new_clicks[2].at)
        session.answer(np.zeros_like(gts))
    assert len(set(clicked)) == 3


def test_a_float_that_is_no_whole_number_is_no_label():
    gts = simple()
    session = segarena.Session(gts, (1, 1, 1), clicks=1)
    next(session)
    half = gts.astype(np.float32)
    half[half == 2] = 2.5
    assert session.answer(half)["DSC"] == 0.0
    assert "no whole numbers" in session.record["interactions"][1]["remarks"][0]


def test_the_text_track_scores_instances():
    gts = simple()
    prompts = {"1": "a cell", "instance_label": 1}
    session = segarena.Session(gts, (1, 1, 1), track="cvpr25-text", text_prompts=prompts)
    prompt = next(session)
    assert (prompt.kind, prompt.text) == ("text", prompts)
    assert session.answer(gts) == {"DSC": None, "NSD": None, "F1": 1.0, "DSC_TP": 1.0}
    assert session.scores["F1"] == 1.0 and session.scores["DSC"] is None


def test_what_is_refused_changes_nothing():
    gts = simple()
    session = segarena.Session(gts, (1, 1, 1), clicks=1)
    with pytest.raises(RuntimeError, match="no prompt waits"):
        session.answer(gts)
    with pytest.raises(RuntimeError, match="not over: 1 of 2"):
        session.scores
    next(session)
    with pytest.raises(ValueError, match=r"\(6, 7, 8\).*\(5, 7, 8\)"):
        session.answer(gts[1:])
    with pytest.raises(ValueError, match="nan|NaN"):
        session.answer(np.full(gts.shape, np.nan))
    assert session.answer(gts)["DSC"] == 1.0
    with pytest.raises(RuntimeError, match="no prompt waits"):
        session.answer(gts)


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"track": "x"}, ValueError, "cvpr25-text"),
        ({"boxes": "x"}, ValueError, "from_labels"),
        ({"boxes": [{}, {}]}, ValueError, "2 items, but gts has 1 labels"),
        ({"boxes": 3}, TypeError, "list of dictionaries"),
        ({"clicks": 5000}, ValueError, "5000"),
        ({"policy": "x"}, ValueError, "'random'"),
        ({"track": "cvpr25-text"}, ValueError, "text_prompts"),
        ({"tolerance_mm": float("nan")}, ValueError, "tolerance_mm"),
    ],
)
def test_options_that_are_wrong_are_named(options, error, words):
    with pytest.raises(error, match=words):
        segarena.Session(simple(), (1, 1, 1), **options)


def test_a_ground_truth_without_a_label_is_none():
    with pytest.raises(ValueError, match="no label"):
        segarena.Session(np.zeros((2, 2, 2), np.uint8), (1, 1, 1))
