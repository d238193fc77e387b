"""Writes image files as people make them, and in JSON what is in them.

usage: images.py FOLDER

For each NAME in FOLDER/images.txt: NAME.npz is the image, NAME.json its boxes as plain values.
"""
import json
import os
import pickle
import sys
import zipfile

import numpy as np

folder = sys.argv[1]
names = open(os.path.join(folder, "images.txt"), "w")
KEYS = "z_min z_max z_mid z_mid_x_min z_mid_y_min z_mid_x_max z_mid_y_max".split()
plain = [{key: 3 * n + i + (300 if n == 2 else 0) for i, key in enumerate(KEYS)} for n in range(3)]
rng = np.random.RandomState(7)
imgs = rng.randint(0, 255, (6, 7, 8)).astype(np.uint8)
gts = (imgs > 128).astype(np.uint8)


def boxes(number):
    return np.array([{k: number(v) for k, v in box.items()} for box in plain], dtype=object)


def save(name, save=np.savez_compressed, expected=plain, **members):
    save(os.path.join(folder, name + ".npz"), **members)
    with open(os.path.join(folder, name + ".json"), "w") as file:
        json.dump(expected, file)
    print(name, file=names)


spacing = np.array([2.5, 0.5, 0.75])
save("ints", imgs=imgs, spacing=spacing, boxes=boxes(int))
for number in (np.int64, np.int32, np.uint8, np.int16, np.uint64):
    if number is np.uint8:
        continue  # 300 does not fit
    save(number.__name__, imgs=imgs, spacing=spacing, boxes=boxes(number))
save("stored", save=np.savez, imgs=imgs, spacing=spacing, boxes=boxes(np.int64), gts=gts)
floats = [{k: float(v) for k, v in box.items()} for box in plain]
save("floats", expected=floats, imgs=imgs.astype(np.float32), spacing=spacing.astype(np.float32),
     boxes=boxes(float), text_prompts=np.array({"1": "liver"}, dtype=object))
save("float-scalars", expected=floats, imgs=imgs.astype(">i2"), spacing=[2.5, 0.5, 0.75], boxes=boxes(np.float64))
save("fortran", imgs=np.asfortranarray(imgs), spacing=spacing, boxes=boxes(np.int64)[:, None][:, 0])
save("strings", imgs=imgs, spacing=spacing, boxes=boxes(str),
     expected=[{k: str(v) for k, v in box.items()} for box in plain])
save("numpy-strings", imgs=imgs, spacing=spacing, boxes=boxes(lambda v: np.str_(v)),
     expected=[{k: str(v) for k, v in box.items()} for box in plain])
save("arrays", imgs=imgs, spacing=spacing, boxes=boxes(lambda v: np.array([v, v], np.int32)),
     expected=[{k: [v, v] for k, v in box.items()} for box in plain])
save("empty", imgs=imgs, spacing=spacing, boxes=np.array([], dtype=object), expected=[])
save("no-boxes", imgs=imgs, spacing=spacing, gts=gts, expected=None)
save("first-keys", imgs=imgs, spacing=spacing, boxes=boxes(int), clicks=np.arange(3),
     clicks_order=np.arange(3), prev_pred=imgs)

# Pickles of every protocol that numpy's own writer may use or have used.
for protocol in range(3, 6):
    name = f"protocol-{protocol}"
    def by_hand(path, boxes, **members):
        np.savez_compressed(path, **members)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as z, z.open("boxes.npy", "w") as m:
            header = {"descr": "|O", "fortran_order": False, "shape": boxes.shape}
            np.lib.format.write_array_header_1_0(m, header)
            pickle.dump(boxes, m, protocol=protocol)
    save(name, save=by_hand, imgs=imgs, spacing=spacing, boxes=boxes(np.int64))
