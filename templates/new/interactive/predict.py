"""A submission. Put your model into `load` and `predict`; what is below them is the contract.

The same file serves both ways of being asked:
  cold  it is started for each interaction, does the case in `inputs` and exits;
  warm  (SEGARENA_SERVE=1) it is started once and asked on stdin, a line for each interaction.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import numpy as np

INPUTS = Path(os.environ.get("INPUTS", "/workspace/inputs"))
OUTPUTS = Path(os.environ.get("OUTPUTS", "/workspace/outputs"))


def load():
    """Loads the model: the weights, the graphics card. Called once."""


def predict(image, spacing, boxes, clicks, previous):
    """Segments one image.

    image     (z, y, x), as it is in the file
    spacing   millimetres along z, y, x
    boxes     one for each class, or None where the image has none; z_min, z_max (both inside), and
              in the slice z_mid: z_mid_y_min, z_mid_y_max, z_mid_x_min, z_mid_x_max
    clicks    for each class all its clicks so far, oldest first: ("fg" | "bg", (z, y, x)), or None
              at an interaction at which the class was perfect and got none;
              None instead of the list at the first interaction, which has boxes alone
    previous  what was predicted last, uint8, zeros if nothing; None at the first interaction
    returns   the classes, 1 for the first and so on, of the image's shape
    """
    image = image.astype(np.float32)
    if clicks is None:
        segs = np.zeros(image.shape, np.uint8)
        for label, box in enumerate([] if boxes is None else boxes, start=1):
            inside = (
                slice(int(box["z_min"]), int(box["z_max"]) + 1),
                slice(int(box["z_mid_y_min"]), int(box["z_mid_y_max"]) + 1),
                slice(int(box["z_mid_x_min"]), int(box["z_mid_x_max"]) + 1),
            )
            segs[inside][similar(image[inside], centre_of(image[inside]))] = label
        return segs
    segs = previous.copy()
    for label, placed in enumerate(clicks, start=1):
        if not placed or placed[-1] is None:
            continue
        kind, (z, y, x) = placed[-1]
        # Around the click, what looks like the clicked voxel.
        reach = [max(1, size // 10) for size in image.shape]
        near = tuple(
            slice(max(0, at - by), at + by + 1) for at, by in zip((z, y, x), reach)
        )
        chosen = similar(image[near], image[z, y, x], among=image)
        here = segs[near]
        if kind == "fg":
            here[chosen & (here == 0)] = label
            segs[z, y, x] = label
        else:
            here[chosen & (here == label)] = 0
            segs[z, y, x] = 0
    return segs


def centre_of(region):
    """The intensity in the middle of a region."""
    middle = tuple(slice(size // 3, size - size // 3) for size in region.shape)
    return np.median(region[middle])


def similar(region, value, among=None):
    """Where a region's intensity is near a value, by the spread of the whole."""
    spread = np.std(region if among is None else among)
    return np.abs(region - value) <= 0.5 * spread


# ---- the contract -------------------------------------------------------------------------------


def run(case, inputs, outputs):
    """Reads one case, predicts it, and writes the prediction whole or not at all."""
    with np.load(inputs / case, allow_pickle=True) as data:
        given = {key: data[key] for key in data.files}
    clicks = None
    if "clicks" in given:
        clicks = [in_order(*both) for both in zip(given["clicks"], given["clicks_order"])]
    segs = predict(
        given["imgs"], given["spacing"], given.get("boxes"), clicks, given.get("prev_pred")
    )
    outputs.mkdir(parents=True, exist_ok=True)
    unfinished = outputs / f".{case}.part"
    with open(unfinished, "wb") as file:
        np.savez_compressed(file, segs=np.asarray(segs).astype(np.uint8))
    os.replace(unfinished, outputs / case)


def in_order(clicks, order):
    """A class's clicks, oldest first; the file has them by kind, and their order beside them."""
    waiting = {kind: list(clicks[kind]) for kind in ("fg", "bg")}
    return [
        None if kind is None else (str(kind), tuple(int(i) for i in waiting[str(kind)].pop(0)))
        for kind in order
    ]


def cases_in(inputs):
    """The cases of a folder. A submission may have left other files of its own there."""
    for path in sorted(inputs.glob("*.npz")):
        with np.load(path, allow_pickle=True) as data:
            if "imgs" in data.files:
                yield path.name


def serve():
    """Answers on stdout, a line for each request on stdin, until that ends."""
    # What libraries print goes to the log and not among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(answer):
        answers.write("\n" + json.dumps(answer) + "\n")
        answers.flush()

    say({"segarena": "ready"})
    for line in sys.stdin:
        request = json.loads(line) if line.strip() else {}
        if request.get("segarena") != "infer":
            continue
        try:
            run(request["case"], Path(request["inputs"]), Path(request["outputs"]))
        except Exception as error:
            traceback.print_exc()
            say({"segarena": "failed", "reason": repr(error)})
        else:
            say({"segarena": "done"})


if __name__ == "__main__":
    load()
    if os.environ.get("SEGARENA_SERVE") == "1":
        serve()
    else:
        for name in cases_in(INPUTS):
            run(name, INPUTS, OUTPUTS)
