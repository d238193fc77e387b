"""Writes images with the text prompts that people write, and in JSON what is in them.

usage: texts.py FOLDER

For each NAME in FOLDER/images.txt: NAME.npz is the image, NAME.json its prompts as plain values.
"""
import json
import os
import pickle
import sys
import zipfile

import numpy as np

folder = sys.argv[1]
names = open(os.path.join(folder, "images.txt"), "w")
imgs = np.zeros((6, 7, 8), np.uint8)
plain = {"1": "liver", "2": ["left kidney", "the kidney on the left – é"], "instance_label": 0}


def save(name, prompts, expected, member=lambda prompts: np.array(prompts, dtype=object)):
    array = member(prompts)
    np.savez_compressed(
        os.path.join(folder, name + ".npz"), imgs=imgs, spacing=np.ones(3), text_prompts=array
    )
    with open(os.path.join(folder, name + ".json"), "w") as file:
        json.dump(expected, file)
    print(name, file=names)


instances = {"1": "nuclei", "instance_label": 1}
save("plain", plain, plain)
save("instances", instances, instances)
for number in (np.int64, np.int32, np.uint8, np.bool_):
    save(number.__name__, {"1": "nuclei", "instance_label": number(1)}, instances)
save("strings", {np.str_("1"): np.str_("nuclei"), "instance_label": 1}, instances)
save("one-item", instances, instances, lambda prompts: np.array([prompts], dtype=object))
for protocol in range(3, 6):
    name = f"protocol-{protocol}"
    np.savez_compressed(os.path.join(folder, name + ".npz"), imgs=imgs, spacing=np.ones(3))
    with zipfile.ZipFile(os.path.join(folder, name + ".npz"), "a") as archive:
        with archive.open("text_prompts.npy", "w") as member:
            array = np.array(plain, dtype=object)
            header = {"descr": "|O", "fortran_order": False, "shape": ()}
            np.lib.format.write_array_header_1_0(member, header)
            pickle.dump(array, member, protocol=protocol)
    with open(os.path.join(folder, name + ".json"), "w") as file:
        json.dump(plain, file)
    print(name, file=names)
