"""A submission. Put your model into `load` and `predict`; what is below them is the contract.

The same file serves both ways of being asked:
  cold  it is started for each case, does the one in `inputs` and exits;
  warm  (SEGARENA_SERVE=1) it is started once and asked on stdin, a line for each case.
"""

import json
import os
import re
import sys
import traceback
from pathlib import Path

import numpy as np

INPUTS = Path(os.environ.get("INPUTS", "/workspace/inputs"))
OUTPUTS = Path(os.environ.get("OUTPUTS", "/workspace/outputs"))


def load():
    """Loads the model: the weights, the graphics card. Called once."""


def predict(image, spacing, prompts, instances):
    """Segments one image.

    image      (z, y, x), as it is in the file
    spacing    millimetres along z, y, x
    prompts    for each label what it is called, {1: ["liver"], 2: ["left kidney", "kidney, left"]};
               several texts mean the same
    instances  whether objects of one kind are to be told apart: each is then a value of its own, or
               all are one mask, whose parts the evaluator takes for the objects
    returns    the labels (or the objects, 1 and so on, at most 255), of the image's shape
    """
    image = image.astype(np.float32)
    segs = np.zeros(image.shape, np.uint8)
    for label, texts in prompts.items():
        named = re.search(r"intensity (\d+)", texts[0])
        if named:
            segs[np.abs(image - int(named.group(1))) <= 20] = label
    return segs


# ---- the contract -------------------------------------------------------------------------------


def run(case, inputs, outputs):
    """Reads one case, predicts it, and writes the prediction whole or not at all."""
    with np.load(inputs / case, allow_pickle=True) as data:
        given = {key: data[key] for key in data.files}
    prompts = dict(given["text_prompts"].item())
    instances = prompts.pop("instance_label") == 1
    prompts = {
        int(label): [texts] if isinstance(texts, str) else list(texts)
        for label, texts in prompts.items()
    }
    segs = predict(given["imgs"], given["spacing"], prompts, instances)
    outputs.mkdir(parents=True, exist_ok=True)
    unfinished = outputs / f".{case}.part"
    with open(unfinished, "wb") as file:
        np.savez_compressed(file, segs=np.asarray(segs).astype(np.uint8))
    os.replace(unfinished, outputs / case)


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
