//! What is not smooth: noise, and the numbers it comes from.

use ndarray::Array3;

use super::ellipsoid;

/// The body of the smooth benchmark; of its prediction so many voxels in a hundred are turned.
pub fn body(shape: [usize; 3], percent: u32) -> (Array3<u8>, Array3<u8>) {
    let (truth, mut prediction) = ellipsoid(shape);
    let mut chance = Chance(1);
    prediction
        .iter_mut()
        .for_each(|voxel| *voxel ^= u8::from(chance.below(100) < percent));
    (truth, prediction)
}

/// Numbers as if by chance, the same ones every time.
pub struct Chance(pub u64);

impl Chance {
    /// The next one, below a bound.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Knuth's MMIX generator; its high bits are the better ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
}
