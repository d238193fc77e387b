"""Makes the seeds of the format targets, with whichever numpy runs it:

    target/python/numpy-1.24/bin/python fuzz/make_seeds.py 1
    target/python/numpy-2/bin/python fuzz/make_seeds.py 2
"""
import io
import os
import pickle
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
version = "numpy" + sys.argv[1]
z, y, x = np.indices((2, 3, 4))
labels = (z + 2 * y + 3 * x) % 4


def seed(target, name, write):
    folder = os.path.join(here, "seeds", target)
    os.makedirs(folder, exist_ok=True)
    buffer = io.BytesIO()
    write(buffer)
    with open(os.path.join(folder, f"{version}-{name}"), "wb") as file:
        file.write(buffer.getvalue())


for code in "? |u1 <i2 >i4 <i8 <f2 <f4 >f8 <U2 <c8".split():
    name = np.dtype(code).str.strip("|<>") + ("-be" if code[0] == ">" else "")
    array = labels.astype(code)
    seed("prediction", name, lambda f: np.savez_compressed(f, segs=array))
    seed("array", name, lambda f: np.save(f, array))
seed("prediction", "stored", lambda f: np.savez(f, segs=labels.astype(np.float32) * 1.5))
seed("prediction", "others", lambda f: np.savez(f, segs=labels, logits=np.zeros(3), gts=labels))
seed("prediction", "objects", lambda f: np.savez(f, segs=labels.astype(object)))
seed("array", "fortran", lambda f: np.save(f, np.asfortranarray(labels)))
seed("array", "wide", lambda f: np.save(f, labels * 100 - 1))
seed("array", "structured", lambda f: np.save(f, np.zeros(3, [("a", "<i4"), ("b", "<f4", (2,))])))


def boxes(number):
    keys = "z_min z_max z_mid z_mid_x_min".split()
    return np.array([{k: number(i + 7 * n) for i, k in enumerate(keys)} for n in range(2)])


values = {
    "int": boxes(int), "int64": boxes(np.int64), "float32": boxes(np.float32), "str": boxes(str),
    "array": boxes(lambda v: np.array([v, v], ">i2")), "empty": np.array([], dtype=object),
    "nested": np.array([{"a": [1, (2.5, None, True, b"x")], 3: {}}, "text"], dtype=object),
    "square": np.array([["fg", None], ["bg", "fg"]], dtype=object, order="F"),
    "bool": boxes(np.bool_), "numpy-str": boxes(lambda v: np.str_(v)),
}
for name, array in values.items():
    for protocol in (2, 3, 4, 5):
        seed("pickle", f"{name}-{protocol}", lambda f: pickle.dump(array, f, protocol=protocol))
    imgs, spacing = labels.astype(np.uint8), [2.5, 0.5, 0.75]
    seed("image", name, lambda f: np.savez_compressed(f, imgs=imgs, spacing=spacing, boxes=array))
seed("image", "no-boxes", lambda f: np.savez(f, imgs=imgs.astype(np.float32), spacing=spacing))
seed("image", "number-boxes", lambda f: np.savez(f, imgs=imgs, spacing=[1, 1, 2], boxes=imgs[0]))
seed("image", "answer", lambda f: np.savez_compressed(
    f, imgs=imgs, spacing=np.float32(spacing), gts=imgs, clicks=imgs, text_prompts=values["nested"]
))
