"""Reads text prompts as submissions do and says in JSON what it found.

usage: read_texts.py FOLDER        for every FOLDER/*.npz, to standard output
"""
import glob
import json
import os
import sys

import numpy as np

found = {}
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*.npz"))):
    data = np.load(path, allow_pickle=True)
    prompts = data["text_prompts"].item()
    for label, texts in prompts.items():  # what a submission may rely on
        assert type(label) is str and type(texts) in (str, list, int, bool), (label, texts)
    found[os.path.basename(path)] = prompts
json.dump(found, sys.stdout)
