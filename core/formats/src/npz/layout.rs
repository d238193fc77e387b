//! Positions in an array file: which voxel an element is, and Fortran order made C order.

use ndarray::Array3;

/// Side of the square tiles that a transposition moves: both sides stay in the cache.
const TILE: usize = 64;

/// The voxel `[z, y, x]` of element number `index` of an array of this shape.
pub(crate) fn voxel(index: usize, shape: [usize; 3], fortran: bool) -> [usize; 3] {
    let [depth, height, width] = shape;
    if fortran {
        [
            index % depth,
            index / depth % height,
            index / depth / height,
        ]
    } else {
        [
            index / width / height,
            index / width % height,
            index % width,
        ]
    }
}

/// Bytes in file order as an array in C order. `None` if there are not as many as the shape says.
pub(crate) fn in_c_order(bytes: Vec<u8>, shape: [usize; 3], fortran: bool) -> Option<Array3<u8>> {
    if !fortran {
        return Array3::from_shape_vec(shape, bytes).ok();
    }
    let [depth, height, width] = shape;
    let mut voxels = vec![0; bytes.len()];
    if bytes.len() != depth * height * width {
        return None;
    }
    // Element (z, y, x) is at z + depth·(y + height·x) in the file and at x + width·(y + height·z)
    // in memory.
    for y in 0..height {
        for z0 in (0..depth).step_by(TILE) {
            for x0 in (0..width).step_by(TILE) {
                for z in z0..depth.min(z0 + TILE) {
                    let row = width * (y + height * z);
                    for x in x0..width.min(x0 + TILE) {
                        voxels[row + x] = bytes[z + depth * (y + height * x)];
                    }
                }
            }
        }
    }
    Array3::from_shape_vec(shape, voxels).ok()
}

#[cfg(test)]
mod tests {
    use ndarray::ShapeBuilder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fortran_order_reads_as_ndarray_reads_it(
            shape in [1usize..70, 1usize..5, 1usize..70],
            seed: u8,
        ) {
            let count = shape.iter().product::<usize>();
            let bytes: Vec<u8> =
                (0..count).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
            let theirs = Array3::from_shape_vec(shape.f(), bytes.clone()).unwrap();
            let ours = in_c_order(bytes.clone(), shape, true).unwrap();
            prop_assert!(ours.is_standard_layout());
            prop_assert_eq!(&ours, &theirs);
            for index in [0, count / 2, count - 1] {
                prop_assert_eq!(ours[voxel(index, shape, true)], bytes[index]);
            }
        }

        #[test]
        fn an_index_names_its_voxel_in_c_order(shape in [1usize..9, 1usize..9, 1usize..9]) {
            let count = shape.iter().product::<usize>();
            let volume = Array3::from_shape_fn(shape, |(z, y, x)| [z, y, x]);
            for (index, &at) in volume.iter().enumerate() {
                prop_assert_eq!(voxel(index, shape, false), at);
            }
            prop_assert_eq!(volume.len(), count);
        }
    }
}
