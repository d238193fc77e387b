"""Reads model inputs as submissions do and says in JSON what it found.

usage: inputs.py FOLDER        for every FOLDER/*.npz, to standard output
"""
import glob
import json
import os
import sys

import numpy as np


def plain(value):
    """JSON of a value; types a submission may rely on are told apart."""
    if isinstance(value, np.ndarray):
        return {"ndarray": value.dtype.str, "items": plain(value.tolist())}
    if isinstance(value, np.generic):
        return {"numpy": type(value).__name__, "value": value.item()}
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    assert value is None or type(value) in (bool, int, float, str), type(value)
    return value


found = {}
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.npz"))):
    data = np.load(path, allow_pickle=True)
    members = {}
    for key in data.files:
        if key == "text_prompts":  # passed on as it is, pickled by whichever numpy
            members[key] = {}
            continue
        array = data[key]
        assert type(array) is np.ndarray, (path, key, type(array))
        assert array.flags.writeable
        members[key] = {
            "dtype": array.dtype.str, "shape": list(array.shape),
            "items": plain(array.tolist()) if array.size < 1000 else None,
            "sum": int(array.sum()) if array.dtype.kind in "biuf" else None,
        }
    if "clicks" in data.files:
        for label in data["clicks"]:  # lists that a submission may concatenate and pop
            label["fg"] + label["bg"]
            assert type(label["fg"]) is list and type(label["bg"]) is list
    found[os.path.basename(path)] = members
json.dump(found, sys.stdout)
