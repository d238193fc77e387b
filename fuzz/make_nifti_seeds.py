"""Writes the seeds of the target `nifti`: small files of nibabel, and such with one damage each.

usage: make_nifti_seeds.py FOLDER
"""

import gzip
import struct
import sys
from pathlib import Path

import nibabel
import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)


def image(code, version=1, order="<", scaling=None):
    image_class = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(code)
    array = (np.arange(24).reshape(2, 3, 4) % 5).astype(code)
    result = image_class(array, np.diag([-1, 2, 3, 1]), header)
    result.set_qform(result.affine, code=1)
    if scaling:
        result.header.set_slope_inter(*scaling)
    return result.to_bytes()


for number, code in enumerate(["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]):
    content = image(code, 1 + number % 2, "<>"[number // 2 % 2])
    (folder / f"{code}.nii").write_bytes(content)
plain = image("i2", scaling=(2, -1024))
(folder / "scaled.nii").write_bytes(plain)
(folder / "compressed.nii.gz").write_bytes(gzip.compress(plain, mtime=0))
damages = {
    "no-axes": (40, struct.pack("<h", 0)),
    "huge": (42, struct.pack("<3h", 32767, 32767, 32767)),
    "nowhere": (108, struct.pack("<f", float("nan"))),
    "far": (108, struct.pack("<f", 1e9)),
    "no-size": (80, struct.pack("<f", 0)),
    "pair": (344, b"ni1\0"),
    "colours": (70, struct.pack("<h", 128)),
    "long-quaternion": (252, struct.pack("<2h3f", 1, 0, 0, 1.01, 0)),
}
for name, (at, new) in damages.items():
    (folder / f"{name}.nii").write_bytes(plain[:at] + new + plain[at + len(new):])
