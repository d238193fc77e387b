"""Clicks, scores and masks, by hand and beside scipy."""

import threading

import numpy as np
import pytest

import segarena


def pair(shape=(9, 8, 7)):
    gts = np.zeros(shape, np.uint8)
    gts[2:7, 2:6, 1:6] = 3
    pred = np.zeros(shape, np.uint8)
    pred[2:7, 2:6, 1:4] = 3
    return gts, pred


def random_labels(seed, shape=(12, 11, 70), labels=4):
    return np.random.default_rng(seed).integers(0, labels, shape, dtype=np.uint8)


def test_a_missed_cube_is_clicked_in_its_middle():
    gts = np.zeros((9, 9, 9), np.uint8)
    gts[2:7, 3:8, 1:6] = 4
    click = segarena.next_clicks(gts, np.zeros_like(gts))[4]
    assert (click.kind, click.at) == ("fg", (4, 5, 3))
    assert repr(click) == "Click(kind='fg', at=(4, 5, 3))"
    # A label that the truth lacks is asked for by name.
    click = segarena.next_clicks(np.zeros_like(gts), gts, labels=[4])[4]
    assert (click.kind, click.at) == ("bg", (4, 5, 3))


def test_a_perfect_label_gets_no_click():
    gts, _ = pair()
    assert segarena.next_clicks(gts, gts) == {3: None}
    assert segarena.next_clicks(np.zeros_like(gts), gts) == {}


def test_a_random_click_lies_on_the_error_and_depends_on_the_seed():
    gts, pred = random_labels(1), random_labels(2)
    clicks = [segarena.next_clicks(gts, pred, policy="random", seed=seed) for seed in (1, 1, 2)]
    assert clicks[0] == clicks[1] != clicks[2]
    for label, click in clicks[0].items():
        assert (gts[click.at] == label) != (pred[click.at] == label)
        assert (click.kind == "fg") == (gts[click.at] == label)


@pytest.mark.parametrize("policy", ["challenge", "random", "ritm", "sam2-center", "jittered"])
def test_the_click_of_every_policy_lies_on_the_error(policy):
    gts, pred = random_labels(1), random_labels(2)
    for label, click in segarena.next_clicks(gts, pred, policy=policy).items():
        assert (gts[click.at] == label) != (pred[click.at] == label)
        assert (click.kind == "fg") == (gts[click.at] == label)
    assert segarena.next_clicks(gts, gts, policy=policy, labels=[1]) == {1: None}


def test_a_hand_misses_by_millimetres():
    gts = np.zeros((31, 31, 31), np.uint8)
    gts[3:28, 3:28, 3:28] = 1

    def click(sigma_mm, spacing=None):
        options = dict(policy="jittered", sigma_mm=sigma_mm, spacing=spacing)
        return segarena.next_clicks(gts, np.zeros_like(gts), **options)[1].at

    assert click(0) == click(0.001) == click(2, spacing=(1000, 1000, 1000)) == (15, 15, 15)
    assert click(2) != (15, 15, 15)
    z, y, x = click(2, spacing=(1000, 0.5, 0.5))
    assert z == 15 and (y, x) != (15, 15)


def test_every_integer_type_and_order_gives_the_same():
    gts, pred = random_labels(3), random_labels(4)
    expected = segarena.next_clicks(gts, pred), segarena.nsd(gts, pred, (2, 1, 0.5))
    for dtype in ("u1", "i1", "u2", ">u2", "i2", "u4", "i4", ">i4", "u8", "i8"):
        for order in "CF":
            a, b = gts.astype(dtype, order=order), pred.astype(dtype)
            found = segarena.next_clicks(a, b), segarena.nsd(a, b, (2, 1, 0.5))
            assert found == expected, (dtype, order)
    strided = np.repeat(gts, 2, axis=2)[:, :, ::2]
    assert segarena.next_clicks(strided, pred) == expected[0]
    mask = gts == 1
    assert segarena.dsc(mask, pred == 1) == {1: segarena.dsc(gts, pred)[1]}


def test_labels_beyond_a_byte_are_labels():
    gts = np.zeros((3, 3, 3), np.int32)
    gts[0], gts[1] = 300, -7
    pred = np.where(gts == 300, 300, 0)
    assert segarena.dsc(gts, pred) == {-7: 0.0, 300: 1.0}


def test_anything_with_array_is_an_array():
    class Tensor:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return self.values if dtype is None else self.values.astype(dtype)

    gts, pred = pair()
    assert segarena.dsc(Tensor(gts), Tensor(pred)) == segarena.dsc(gts, pred)
    assert segarena.dsc(gts.tolist(), pred.tolist()) == segarena.dsc(gts, pred)


def test_scores_are_those_of_the_definition():
    gts, pred = random_labels(5), random_labels(6)
    for label, found in segarena.dsc(gts, pred).items():
        a, b = gts == label, pred == label
        assert found == 2 * (a & b).sum() / (a.sum() + b.sum())
    gts, pred = pair()
    assert segarena.nsd(gts, pred, (1, 1, 1), tolerance_mm=2) == {3: 1.0}
    assert segarena.nsd(gts, pred, (1, 1, 1), tolerance_mm=1)[3] < 1
    empty = np.zeros_like(gts)
    assert segarena.nsd(empty, empty, (1, 1, 1), labels=[1]) == {1: 1.0}


def test_components_and_distances_are_scipys():
    ndimage = pytest.importorskip("scipy.ndimage")
    for seed in range(5):
        mask = np.random.default_rng(seed).random((10, 12, 75)) < 0.3
        labelled, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        largest = np.argmax(np.bincount(labelled.ravel())[1:]) + 1
        assert (segarena.largest_component(mask) == (labelled == largest)).all()
        expected = ndimage.distance_transform_edt(mask)
        found = segarena.distance_transform(mask)
        assert found.dtype == np.float64 and np.array_equal(found, expected)
        padded = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
        assert np.array_equal(segarena.distance_transform(mask, outside="background"), padded)


def test_surface_dice_and_dice_are_those_of_surface_distance():
    surface_distance = pytest.importorskip("surface_distance")
    spacings = [(1, 1, 1), (2.5, 0.7, 0.7), (0.5, 1.5, 3)]
    for seed, spacing in enumerate(spacings):
        random = np.random.default_rng(seed)
        gts, pred = random.random((2, 9, 10, 11)) < 0.4
        distances = surface_distance.compute_surface_distances(gts, pred, spacing)
        for tolerance in (0, 0.8, 2):
            expected = surface_distance.compute_surface_dice_at_tolerance(distances, tolerance)
            found = segarena.nsd(gts, pred, spacing, tolerance)
            assert found == {1: pytest.approx(expected, abs=1e-9)}, (spacing, tolerance)
        expected = surface_distance.compute_dice_coefficient(gts, pred)
        assert segarena.dsc(gts, pred) == {1: pytest.approx(expected, abs=1e-12)}


def test_the_largest_component_is_that_of_cc3d():
    cc3d = pytest.importorskip("cc3d")
    for seed in range(5):
        mask = np.random.default_rng(seed).random((10, 12, 75)) < 0.2
        labelled = cc3d.connected_components(mask, connectivity=26)
        sizes = np.bincount(labelled.ravel())[1:]
        found = segarena.largest_component(mask)
        assert found.sum() == sizes.max()
        assert len(np.unique(labelled[found])) == 1


def test_an_empty_and_a_full_mask():
    empty = np.zeros((2, 3, 4), bool)
    assert not segarena.largest_component(empty).any()
    assert not segarena.distance_transform(empty).any()
    assert np.isinf(segarena.distance_transform(~empty)).all()


def test_a_byte_other_than_one_is_in_the_mask():
    mask = np.zeros((2, 3, 4), np.uint8)
    mask[0, 0, :3] = [5, 7, 255]
    assert segarena.largest_component(mask).sum() == 3


def test_instances_are_matched():
    gts = np.zeros((1, 1, 6), np.uint8)
    gts[0, 0] = [1, 0, 2, 0, 3, 3]
    pred = np.zeros_like(gts)
    pred[0, 0] = [1, 0, 1, 0, 0, 0]
    found = segarena.instances(gts, pred)
    assert (found["true_positives"], found["false_negatives"]) == (2, 1)
    assert (found["f1"], found["dsc_tp"]) == (0.8, 1.0)
    assert found["pairs"][0]["truth"] == 1
    with pytest.raises(ValueError, match="gts has the instance 300"):
        segarena.instances(gts.astype(int) * 300, pred)


def test_a_batch_gives_what_its_volumes_give():
    gts = np.stack([random_labels(seed) for seed in range(3)])
    pred = np.stack([random_labels(seed) for seed in range(10, 13)])
    spacing = (2.5, 1, 1)
    each = list(zip(gts, pred))
    assert segarena.next_clicks_batch(gts, pred) == [segarena.next_clicks(*p) for p in each]
    assert segarena.dsc_batch(gts, pred) == [segarena.dsc(*p) for p in each]
    assert segarena.nsd_batch(gts, pred, spacing) == [segarena.nsd(*p, spacing) for p in each]
    assert segarena.instances_batch(gts, pred) == [segarena.instances(*p) for p in each]
    masks = gts == 1
    expected = np.stack([segarena.largest_component(mask) for mask in masks])
    assert (segarena.largest_component_batch(masks) == expected).all()
    expected = np.stack([segarena.distance_transform(mask) for mask in masks])
    assert (segarena.distance_transform_batch(masks) == expected).all()
    none = gts[:0]
    assert segarena.dsc_batch(none, none) == []
    assert segarena.largest_component_batch(none).shape == none.shape


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda g, p: segarena.dsc(g, p[1:]), ValueError, ["(9, 8, 7)", "(8, 8, 7)"]),
        (lambda g, p: segarena.dsc(g, p[0]), ValueError, ["pred", "(8, 7)", "3 axes"]),
        (lambda g, p: segarena.dsc_batch(g, p), ValueError, ["gts", "4 axes"]),
        (lambda g, p: segarena.dsc(g, p / 3), TypeError, ["pred", "float64", "integer"]),
        (lambda g, p: segarena.dsc(g, p.astype("f2")), TypeError, ["pred", "float16"]),
        (lambda g, p: segarena.dsc(g.astype(str), p), TypeError, ["gts", "integer"]),
        (lambda g, p: segarena.dsc(None, p), TypeError, ["gts", "object"]),
        (lambda g, p: segarena.dsc(g, p, labels=[0]), ValueError, ["labels has 0"]),
        (lambda g, p: segarena.dsc(g, p, labels=["a"]), TypeError, ["labels", "integers"]),
        (lambda g, p: segarena.dsc(g, p, labels=range(1, 400)), ValueError, ["399", "255"]),
        (lambda g, p: segarena.nsd(g, p, (1, 1)), ValueError, ["2 numbers", "3 axes"]),
        (lambda g, p: segarena.nsd(g, p, (1, 0, 1)), ValueError, ["axis 1"]),
        (lambda g, p: segarena.nsd(g, p, 1), TypeError, ["spacing", "three numbers"]),
        (lambda g, p: segarena.nsd(g, p, (1, 1, 1), -1), ValueError, ["tolerance_mm", "-1"]),
        (lambda g, p: segarena.next_clicks(g, p, policy="x"), ValueError, ["'x'", "'random'"]),
        (lambda g, p: segarena.next_clicks(g, p, sigma_mm=-1), ValueError, ["sigma_mm", "-1"]),
        (lambda g, p: segarena.next_clicks(g, p, spacing=(1, 1)), ValueError, ["2 numbers"]),
        (lambda g, p: segarena.distance_transform(g, "x"), ValueError, ["'x'", "'nothing'"]),
    ],
)
def test_what_is_wrong_is_named(call, error, words):
    with pytest.raises(error) as raised:
        call(*pair())
    for word in words:
        assert word in str(raised.value)


def test_many_values_are_no_labels():
    gts = np.arange(1000).reshape(10, 10, 10)
    with pytest.raises(ValueError, match="255"):
        segarena.dsc(gts, gts)
    assert segarena.dsc(gts, gts, labels=[7]) == {7: 1.0}


def test_empty_arrays_have_no_label():
    empty = np.zeros((0, 3, 4), np.uint8)
    assert segarena.dsc(empty, empty) == {}
    assert segarena.next_clicks(empty, empty, labels=[1]) == {1: None}
    assert segarena.largest_component(empty).shape == (0, 3, 4)


def test_threads_get_the_same_clicks():
    pairs = [(random_labels(seed), random_labels(seed + 50)) for seed in range(8)]
    expected = [segarena.next_clicks(*pair) for pair in pairs]
    found = [None] * len(pairs)

    def click(index):
        found[index] = segarena.next_clicks(*pairs[index])

    threads = [threading.Thread(target=click, args=(index,)) for index in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
