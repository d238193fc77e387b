"""Holds `segarena import` and `segarena export` against nibabel, SimpleITK and numpy.

usage: nifti_oracle.py make FOLDER            writes imagesTr/ and labelsTr/: every type, both
                                              versions and byte orders, scaled and not
       nifti_oracle.py imported FOLDER RULE   holds FOLDER/data against FOLDER's NIfTI files; RULE is
                                              "window" (40, 400) or "percentiles"
       nifti_oracle.py exported FOLDER TEAM   holds FOLDER/nifti against images and FOLDER/out
"""

import sys
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def affine(random):
    """A turned and perhaps mirrored affine with unlike steps."""
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    result = np.eye(4)
    result[:3, :3] = rotation * random.uniform(0.4, 4, 3)
    result[:3, 3] = random.uniform(-200, 200, 3)
    return result


def write(path, array, affine, version, order, scaling=None, forms="both"):
    """Writes an array (x, y, z) as it is; `forms`: which of qform and sform is set."""
    image_class = {1: nibabel.Nifti1Image, 2: nibabel.Nifti2Image}[version]
    header = image_class.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    image = image_class(array, affine, header)
    image.set_sform(affine, code=0 if forms == "qform" else 2)
    image.set_qform(affine, code=0 if forms == "sform" else 1)
    if scaling:
        image.header.set_slope_inter(*scaling)
    nibabel.save(image, path)


def make(folder):
    random = np.random.default_rng(1)
    for kind in ["imagesTr", "labelsTr"]:
        (folder / kind).mkdir()
    for number, code in enumerate(TYPES * 2):
        dtype = np.dtype(code)
        version, order = 1 + number % 2, "<>"[number // 2 % 2]
        shape = random.integers(6, 14, 3)
        place = affine(random)
        values = random.normal(60, 150, shape)
        # The first ten as they are stored, the others scaled.
        scaling = None if number < len(TYPES) else (0.37 + number, -11.5)
        if scaling:
            values = (values - scaling[1]) / scaling[0]
        if dtype.kind in "iu":
            values = values.clip(np.iinfo(dtype).min, np.iinfo(dtype).max)
        ending = [".nii.gz", ".nii"][number % 3 % 2]
        name = f"CT_{number:02}_{code}"
        forms = ["both", "sform", "qform"][number % 3]
        image = folder / "imagesTr" / f"{name}_0000{ending}"
        write(image, values.astype(dtype), place, version, order, scaling, forms)
        labels = np.zeros(shape, dtype)
        labels[1:5, 1:4, 1:5] = 1
        labels[2:4, 2:3, 2:5] = 3
        write(folder / "labelsTr" / f"{name}.nii.gz", labels, place, version, order, None, forms)


def in_bytes(values, rule):
    """The challenge's preprocessing, in numpy."""
    if rule == "window":
        lower, upper = 40 - 400 / 2, 40 + 400 / 2
    else:
        lower, upper = np.percentile(values[values > 0], [0.5, 99.5])
    cut = np.clip(values, lower, upper)
    least, greatest = np.nanmin(cut), np.nanmax(cut)
    shades = (cut - least) / (greatest - least) * 255.0
    if rule == "percentiles":
        shades[values == 0] = 0
    return np.nan_to_num(shades).astype(np.uint8)


def box(mask):
    z, y, x = np.where(mask)
    slices = np.unique(z)
    middle = slices[len(slices) // 2]
    y, x = y[z == middle], x[z == middle]
    return {"z_min": z.min(), "z_max": z.max(), "z_mid": middle, "z_mid_x_min": x.min(),
            "z_mid_y_min": y.min(), "z_mid_x_max": x.max(), "z_mid_y_max": y.max()}


def is_read_by_itk(path):
    """SimpleITK has no reader for NIfTI-2."""
    return not isinstance(nibabel.load(path), nibabel.Nifti2Image)


def image_of(folder, case):
    found = [p for p in (folder / "imagesTr").iterdir()
             if p.name.split(".")[0] in (case, f"{case}_0000")]
    assert len(found) == 1, found
    return found[0]


def imported(folder, rule):
    cases = sorted((folder / "data" / "imgs").glob("*.npz"))
    for path in cases:
        case = path.stem
        source = image_of(folder, case)
        original = nibabel.load(source)
        with np.load(path, allow_pickle=True) as file:
            members = dict(file)
        values = original.get_fdata().reshape(original.shape[:3]).T
        assert members["imgs"].dtype == np.uint8
        different = members["imgs"] != in_bytes(values, rule)
        assert not different.any(), f"{case}: {different.sum()} voxels"
        np.testing.assert_allclose(members["affine"], original.affine, rtol=1e-5, atol=1e-4,
                                   err_msg=case)
        zooms = np.array(original.header.get_zooms()[:3], float)
        np.testing.assert_allclose(members["spacing"], zooms[::-1], rtol=1e-6, err_msg=case)

        if is_read_by_itk(source):
            itk = SimpleITK.ReadImage(str(source))
            assert itk.GetSize() == members["imgs"].shape[::-1], case
            np.testing.assert_allclose(members["spacing"], itk.GetSpacing()[::-1], rtol=1e-5)
            matrix = np.reshape(itk.GetDirection(), (3, 3)) * itk.GetSpacing()
            place = np.column_stack([matrix, itk.GetOrigin()]) * [[-1], [-1], [1]]
            np.testing.assert_allclose(members["affine"][:3], place, atol=1e-3, err_msg=case)

        labels = next((folder / "labelsTr").glob(f"{case}.nii*"))
        wanted = np.rint(nibabel.load(labels).get_fdata()).T
        gts = np.load(folder / "data" / "gts" / f"{case}.npz")["gts"]
        np.testing.assert_array_equal(gts, wanted, err_msg=case)
        if is_read_by_itk(labels):
            by_itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(labels)))
            np.testing.assert_array_equal(gts, by_itk, err_msg=case)
        boxes = [box(gts == label) for label in np.unique(gts) if label]
        assert list(members["boxes"]) == boxes, case
    print(len(cases))


def exported(folder, team):
    files = sorted((folder / "nifti" / team).glob("*.nii.gz"))
    for path in files:
        case = path.name.removesuffix(".nii.gz")
        source = image_of(folder, case)
        original, found = nibabel.load(source), nibabel.load(path)
        np.testing.assert_allclose(found.affine, original.affine, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(found.get_qform(), original.affine, rtol=1e-4, atol=1e-3)
        assert found.get_data_dtype() == np.uint8
        segs = np.load(folder / "out" / team / f"{case}.npz")["segs"]
        np.testing.assert_array_equal(np.asanyarray(found.dataobj).T, segs)

        prediction = SimpleITK.ReadImage(str(path))
        np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(prediction), segs)
        if is_read_by_itk(source):
            image = SimpleITK.ReadImage(str(source))
            for of in ["GetOrigin", "GetSpacing", "GetDirection"]:
                both = [getattr(one, of)() for one in (prediction, image)]
                np.testing.assert_allclose(*both, atol=1e-3, err_msg=f"{case} {of}")

        gts = np.load(folder / "data" / "gts" / f"{case}.npz")["gts"]
        # Predictions are bytes, so labels are held against them as their bytes.
        wanted = np.select([segs == gts.astype(np.uint8), segs == 0, gts == 0], [0, 1, 2], 3)
        errors = nibabel.load(path.parent / "errors" / path.name)
        np.testing.assert_array_equal(np.asanyarray(errors.dataobj).T, wanted)
    print(len(files))


if __name__ == "__main__":
    {"make": make, "imported": imported, "exported": exported}[sys.argv[1]](
        Path(sys.argv[2]), *sys.argv[3:])
