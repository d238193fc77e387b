"""Times the public libraries on the phantom of benches/phantom, one thread each.

usage: peers.py DEPTH HEIGHT WIDTH
Says first where it has saved the prediction; then, for each kernel named by a line on standard
input, says MILLISECONDS<tab>BYTES: the median, and the most memory beside what it is given. The line
`interaction FOLDER` asks for an interaction's work on the volumes in the folder's truth.npz and
prediction.npz, `round FOLDER` for the same with the prediction read from its file and written to the
next interaction's, and `component FOLDER` for the components of their difference; these in
milliseconds of the processor.
needs: numpy scipy connected-components-3d edt surface-distance
"""

import os
import pathlib
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = "1"

import cc3d
import edt
import numpy as np
from scipy import ndimage
from surface_distance import metrics

SPACING = (1.5, 0.8, 0.8)
# A kernel is repeated for so many seconds, five times at most.
PATIENCE = 4


def phantom(shape):
    """A body-sized ellipsoid, and a prediction whose border wobbles."""
    grids = np.ogrid[tuple(slice(0, size) for size in shape)]
    radius = sum(((g - s / 2) / (s * 0.42)) ** 2 for g, s in zip(grids, shape))
    z, y, x = grids
    wobble = 0.12 * np.sin(z / 9.0) * np.cos(y / 13.0) * np.sin(x / 11.0)
    return (radius <= 1).astype(np.uint8), (radius <= 1 + wobble).astype(np.uint8)


def click(truth, prediction):
    """The largest part of the error, and its voxel farthest from everything else."""
    error = (truth != prediction).astype(np.uint8)
    part = cc3d.largest_k(error, k=1, connectivity=26) > 0
    depth = ndimage.distance_transform_edt(np.pad(part, 1))
    return np.unravel_index(depth.argmax(), depth.shape)


def dice(truth, prediction):
    a, b = truth == 1, prediction == 1
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def surface_dice(truth, prediction):
    distances = metrics.compute_surface_distances(truth > 0, prediction > 0, SPACING)
    return metrics.compute_surface_dice_at_tolerance(distances, 2.0)


def interaction(truth, prediction):
    """Every label's Dice, click and surface Dice, each in the label's own box."""
    labels = np.unique(truth)
    for label in labels[labels > 0]:
        a, b = truth == label, prediction == label
        2 * (a & b).sum() / (a.sum() + b.sum())
        error = a != b
        if error.any():
            part = cc3d.largest_k(error, k=1, connectivity=26) > 0
            part = np.pad(part[ndimage.find_objects(part.view(np.uint8))[0]], 1)
            depth = edt.edtsq(part, parallel=1)
            np.unravel_index(depth.argmax(), depth.shape)
        # This crops by itself.
        distances = metrics.compute_surface_distances(a, b, SPACING)
        metrics.compute_surface_dice_at_tolerance(distances, 2.0)


def whole_round(truth, folder, written):
    """An interaction with its files: the prediction is read, and given back with the next input."""
    prediction = volume(folder, "prediction")
    interaction(truth, prediction)
    np.savez_compressed(written, prev_pred=prediction)


def components(truth, prediction):
    """The error's parts, not even the largest of them."""
    error = (truth != prediction).astype(np.uint8)
    cc3d.connected_components(error, connectivity=26, binary_image=True)


def volume(folder, name):
    return np.load(os.path.join(folder, name + ".npz"))[name]


def status(field):
    """A size of this process in bytes."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024


def measure(kernel, clock=time.perf_counter):
    # Makes the process's peak what it holds now.
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    taken = []
    while len(taken) < 5 and sum(taken) < PATIENCE:
        start = clock()
        kernel()
        taken.append(clock() - start)
    return 1000 * sorted(taken)[len(taken) // 2], max(status("VmHWM") - before, 0)


def main():
    truth, prediction = phantom(tuple(int(size) for size in sys.argv[1:4]))
    error = (truth != prediction).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "segs.npz")
        np.savez_compressed(file, segs=prediction)
        written = os.path.join(folder, "prev_pred.npz")
        kernels = {
            "dice": lambda: dice(truth, prediction),
            "component": lambda: cc3d.connected_components(
                error, connectivity=26, binary_image=True
            ),
            "edt": lambda: edt.edtsq(truth, black_border=True, parallel=1),
            "scipy edt": lambda: ndimage.distance_transform_edt(truth),
            "click": lambda: click(truth, prediction),
            "nsd": lambda: surface_dice(truth, prediction),
            "read": lambda: np.load(file)["segs"],
            "write": lambda: np.savez_compressed(written, prev_pred=prediction),
        }
        print(file, flush=True)
        for line in sys.stdin:
            name, _, given = line.strip().partition(" ")
            if given and name in ("interaction", "round", "component"):
                pair = volume(given, "truth"), volume(given, "prediction")
                work = {
                    "interaction": lambda: interaction(*pair),
                    "round": lambda: whole_round(pair[0], given, written),
                    "component": lambda: components(*pair),
                }
                milliseconds, size = measure(work[name], time.process_time)
            else:
                milliseconds, size = measure(kernels[line.strip()])
            print(f"{milliseconds:.2f}\t{size}", flush=True)


if __name__ == "__main__":
    main()
