//! The kernels in the plainest way there is, whatever it costs, and the random volumes on which
//! both are tried.

#![allow(clippy::unwrap_used)] // only tests use them

use ndarray::Array3;
use proptest::prelude::*;

use super::{LabelVolume, Mask, Spacing, Voxel};

/// A small volume of keys below `keys`: noise, or blobs with noise on them. All shapes from 1×1×1.
pub fn volumes(keys: u8) -> impl Strategy<Value = Array3<u8>> {
    // Rows of one word of bits, and a few of several.
    let small = (1..=7usize, 1..=9usize, 1..=11usize);
    let wide = (1..=3usize, 1..=3usize, 60..=135usize);
    let shape = prop_oneof![3 => small.boxed(), 1 => wide.boxed()];
    shape.prop_flat_map(move |shape| {
        let count = shape.0 * shape.1 * shape.2;
        let boxes = proptest::collection::vec(
            (
                0..shape.0,
                0..shape.1,
                0..shape.2,
                1..=7usize,
                1..=9usize,
                1..=40usize,
                0..keys,
            ),
            0..5,
        );
        let noise = proptest::collection::vec((0..100u8, 0..keys), count);
        (boxes, noise, 0..100u8).prop_map(move |(boxes, noise, threshold)| {
            let mut volume = Array3::zeros(shape);
            for (z, y, x, depth, height, width, key) in boxes {
                let ends = [
                    (z, depth, shape.0),
                    (y, height, shape.1),
                    (x, width, shape.2),
                ]
                .map(|(start, length, size)| (start + length).min(size));
                volume
                    .slice_mut(ndarray::s![z..ends[0], y..ends[1], x..ends[2]])
                    .fill(key);
            }
            for (voxel, (roll, key)) in volume.iter_mut().zip(noise) {
                if roll < threshold {
                    *voxel = key;
                }
            }
            volume
        })
    })
}

/// Two volumes of keys, of one shape: unrelated, or the second made from the first.
pub fn pairs(keys: u8) -> impl Strategy<Value = (Array3<u8>, Array3<u8>)> {
    (volumes(keys), volumes(keys), 0..3u8).prop_map(|(truth, other, how)| {
        let prediction = Array3::from_shape_fn(truth.dim(), |at| {
            let elsewhere = other.get(at).copied();
            match (how, elsewhere) {
                (0, _) => truth[at],
                (1, Some(value)) => value,
                (_, Some(value)) if (at.0 + at.1 + at.2) % 3 == 0 => value,
                _ => truth[at],
            }
        });
        (truth, prediction)
    })
}

/// Spacings: cubes, thick slices, and some that make equal lengths out of unlike offsets.
pub fn spacings() -> impl Strategy<Value = Spacing> {
    let side = prop_oneof![Just(1.0), Just(0.4), Just(0.5), Just(2.5), 0.2..4.0f64];
    (side.clone(), side.clone(), side)
        .prop_map(|(z, y, x)| Spacing::new([z, y, x]).expect("positive"))
}

/// A volume as the kernels take it, with voxels of 1 mm.
pub fn volume(voxels: Array3<u8>) -> LabelVolume {
    LabelVolume::new(voxels, Spacing::new([1.0; 3]).expect("positive"))
}

/// The mask of the voxels that are not 0.
pub fn mask_of(voxels: &Array3<u8>) -> Mask {
    Mask::of_key(voxels.mapv(|value| u8::from(value != 0)).view(), 1)
}

/// The voxels of a mask, in C order.
pub fn voxels_of(mask: &Mask) -> Vec<Voxel> {
    (0..).map_while(|n| mask.nth(n)).collect()
}

/// The largest 26-connected component of these voxels (in C order), by flooding.
pub fn largest_component(voxels: &[Voxel]) -> Vec<Voxel> {
    let mut left: std::collections::BTreeSet<_> = voxels.iter().copied().collect();
    let mut largest = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut component = vec![first];
        let mut next = 0;
        while let Some(&at) = component.get(next) {
            next += 1;
            let touching: Vec<_> = left
                .iter()
                .copied()
                .filter(|other| (0..3).all(|axis| at[axis].abs_diff(other[axis]) <= 1))
                .collect();
            for other in touching {
                left.remove(&other);
                component.push(other);
            }
        }
        if component.len() > largest.len() {
            largest = component;
        }
    }
    largest.sort_unstable();
    largest
}

/// The 6-connected components of equal values that are not 0, numbered from 1 in C order of their
/// first voxels, and how many there are, by flooding.
pub fn face_components(voxels: &Array3<u8>) -> (Array3<u32>, usize) {
    let mut numbers = Array3::<u32>::zeros(voxels.dim());
    let mut count = 0;
    for (first, &value) in voxels.indexed_iter() {
        if value == 0 || numbers[first] != 0 {
            continue;
        }
        count += 1;
        numbers[first] = count;
        let mut left = vec![first];
        while let Some((z, y, x)) = left.pop() {
            let touching = [
                (z.wrapping_sub(1), y, x),
                (z + 1, y, x),
                (z, y.wrapping_sub(1), x),
                (z, y + 1, x),
                (z, y, x.wrapping_sub(1)),
                (z, y, x + 1),
            ];
            for at in touching {
                if voxels.get(at) == Some(&value) && numbers[at] == 0 {
                    numbers[at] = count;
                    left.push(at);
                }
            }
        }
    }
    (numbers, count as usize)
}

/// The squared distance from each voxel that is not 0 to the nearest that is 0, by trying all;
/// `None` where there is none.
pub fn squared_distances(voxels: &Array3<u8>) -> Array3<Option<u64>> {
    Array3::from_shape_fn(voxels.dim(), |at| {
        let squares = voxels
            .indexed_iter()
            .filter(|&(_, &value)| value == 0)
            .map(|(other, _)| {
                let square = |a: usize, b: usize| (a.abs_diff(b) as u64).pow(2);
                square(at.0, other.0) + square(at.1, other.1) + square(at.2, other.2)
            });
        squares.min()
    })
}

/// A volume with background around it, so many voxels on both sides of each axis.
pub fn padded(voxels: &Array3<u8>, by: [usize; 3]) -> Array3<u8> {
    let (depth, height, width) = voxels.dim();
    let mut padded = Array3::zeros((depth + 2 * by[0], height + 2 * by[1], width + 2 * by[2]));
    padded
        .slice_mut(ndarray::s![
            by[0]..by[0] + depth,
            by[1]..by[1] + height,
            by[2]..by[2] + width
        ])
        .assign(voxels);
    padded
}

/// The maximum of each 2×2×2 block, background beyond the end.
pub fn halved(voxels: &Array3<u8>) -> Array3<u8> {
    let (depth, height, width) = voxels.dim();
    let shape = (depth.div_ceil(2), height.div_ceil(2), width.div_ceil(2));
    let mut halved = Array3::zeros(shape);
    for ((z, y, x), &value) in voxels.indexed_iter() {
        let block: &mut u8 = &mut halved[[z / 2, y / 2, x / 2]];
        *block = value.max(*block);
    }
    halved
}

/// The surface elements of the voxels that are `key`: where each is, counted from the corner
/// before the first voxel, and its code.
pub fn surface_elements(voxels: &Array3<u8>, key: u8) -> Vec<(Voxel, u8)> {
    let mask = padded(&voxels.mapv(|value| u8::from(value == key)), [1; 3]);
    let (depth, height, width) = voxels.dim();
    let places = ndarray::indices((depth + 1, height + 1, width + 1));
    let elements = places.into_iter().zip(mask.windows((2, 2, 2)));
    elements
        .map(|((z, y, x), window)| {
            let code = window
                .iter()
                .zip(0..8)
                .fold(0, |code, (inside, bit)| code | inside << bit);
            ([z, y, x], code)
        })
        .filter(|&(_, code)| code != 0 && code != 255)
        .collect()
}
