"""Writes predictions as submissions do, of every type and layout, and what numpy makes of them.

usage: predictions.py FOLDER

For each NAME in FOLDER/cases.txt ("NAME labels…", one a line): NAME.npz is the prediction;
NAME.cast, NAME.scored and NAME.clicked are the bytes, in C order, of numpy's astype(uint8), of
the keys of the raw values and of the keys of the cast ones.
"""
import io
import os
import sys
import warnings
import zipfile

import numpy as np

SHAPE = (3, 4, 5)
folder = sys.argv[1]
names = open(os.path.join(folder, "cases.txt"), "w")
warnings.simplefilter("ignore")  # casts that wrap


def values(dtype, odd):
    """Labels and, when odd, values that are none and that a cast wraps."""
    plain = [0, 1, 2, 3, 0, 1]
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array(plain, dtype=dtype)
    extra = [100, 127]
    if kind == "f":
        extra += [0.7, 1.7, -1.0, -0.5, -255.0, 256.0, 257.25, 2.9999, -1.5, -0.0, 300.0, 65504.0]
        if dtype.itemsize > 2:
            extra += [70000.5, -70001.0, 2147483000.0, -2147483008.0]
    else:
        info = np.iinfo(dtype)
        wide = [255, 256, 257, 300, 65535, 65537, 2**31 + 1, 2**32 + 1, 2**63 + 2, -1, -2, -255]
        extra += [info.min, info.max] + [v for v in wide if info.min <= v <= info.max]
    return np.array(plain + (extra if odd else []), dtype=dtype)


def keys(array, labels):
    """The key of each value: labels are their own keys if all fit a byte, else their ranks."""
    own = all(0 < label < 256 for label in labels)
    made = np.zeros(array.shape, np.uint8)
    for rank, label in enumerate(labels):
        info = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
        if info is None or info.min <= label <= info.max:
            made[array == np.asarray(label).astype(array.dtype)] = label if own else rank + 1
    return made


def streamed(target, array):
    """An archive written to a pipe: sizes follow the data."""
    class Pipe(io.RawIOBase):
        def __init__(self, file):
            self.file = file
        def writable(self):
            return True
        def seekable(self):
            return False
        def write(self, data):
            return self.file.write(data)
    with open(target, "wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as z:
        with z.open("segs.npy", "w") as member:
            np.lib.format.write_array(member, array)


def case(name, array, labels, save):
    save(os.path.join(folder, name + ".npz"), array)
    cast = array.astype(np.uint8)
    if array.dtype.kind == "b":
        raw = array.astype(np.uint8)
    else:
        raw = array
    for suffix, made in (
        ("cast", cast), ("scored", keys(raw, labels)), ("clicked", keys(cast, labels))
    ):
        with open(os.path.join(folder, f"{name}.{suffix}"), "wb") as file:
            file.write(np.ascontiguousarray(made).tobytes())
    print(name, *labels, file=names)


SAVES = {
    "stored": lambda path, a: np.savez(path, segs=a),
    "deflated": lambda path, a: np.savez_compressed(path, segs=a),
    "beside-others": lambda path, a: np.savez_compressed(
        path, logits=np.zeros(100, np.float32), segs=a, note=np.array({"a": [1]}, dtype=object)
    ),
    "streamed": streamed,
}
TYPES = ["?", "i1", "u1"] + [o + t for o in "<>" for t in "i2 i4 i8 u2 u4 u8 f2 f4 f8".split()]
LABELS = {"bytes": [1, 2, 3], "sparse": [2, 100, 255], "wide": [1, 2, 300], "signed": [-1, 2, 3]}

for code in TYPES:
    dtype = np.dtype(code)
    for odd in (False, True):
        for order in "CF":
            array = np.resize(values(dtype, odd), SHAPE).astype(dtype, order=order)
            assert array.dtype == dtype
            for how, save in SAVES.items():
                for kind, labels in LABELS.items():
                    if how in ("beside-others", "streamed") and kind != "bytes":
                        continue
                    oddness = "odd" if odd else "plain"
                    name = f"{dtype.str.strip('|<>')}-{'be' if code[0] == '>' else 'le'}"
                    case(f"{name}-{oddness}-{order}-{how}-{kind}", array, labels, save)
