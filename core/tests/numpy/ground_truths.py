"""Writes ground truths of every type and layout.

usage: ground_truths.py FOLDER

For each NAME in FOLDER/cases.txt ("NAME labels…", one a line): NAME.npz is the ground truth,
NAME.ranks the bytes, in C order, of each voxel's rank among the labels (0 is background).
"""
import os
import sys

import numpy as np

folder = sys.argv[1]
names = open(os.path.join(folder, "cases.txt"), "w")
LABELS = {
    "bytes": [1, 3, 127], "sparse": [2, 200, 255], "wide": [1, 255, 256, 30000], "signed": [-7, 1],
    "huge": [5, 2**40], "last": [1, 2**63 - 1], "many": list(range(1, 256)),
}
TYPES = ["?", "i1", "u1"] + [o + t for o in "<>" for t in "i2 i4 i8 u2 u4 u8 f4 f8".split()]

for code in TYPES:
    dtype = np.dtype(code)
    for kind, labels in ({"true": [1]} if code == "?" else LABELS).items():
        if dtype.kind in "iu" and not all(
            np.iinfo(dtype).min <= label <= np.iinfo(dtype).max for label in labels
        ):
            continue
        if dtype.kind == "f" and labels[-1] > 2**41:
            continue  # not exact, and 2**63 is no 64-bit integer
        rng = np.random.RandomState(len(labels))
        ranks = rng.randint(0, len(labels) + 1, (7, 8, 9)).astype(np.uint8)
        ranks.flat[: len(labels)] = np.arange(1, len(labels) + 1)
        array = np.array([0] + labels).astype(dtype)[ranks]
        for order in "CF":
            for save in (np.savez, np.savez_compressed):
                name = f"{code.strip('|<>?')}-{code[0]}-{kind}-{order}-{save.__name__}"
                name = name.replace("<", "le").replace(">", "be").replace("?", "b1")
                save(os.path.join(folder, name), gts=array.astype(dtype, order=order))
                ranks.tofile(os.path.join(folder, name + ".ranks"))
                print(name, *labels, file=names)
