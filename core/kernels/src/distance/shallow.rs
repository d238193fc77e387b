//! The deepest voxels of a mask that is nowhere very deep, by wearing it away as bits.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Outside;
use crate::bits::stretch;
use crate::mask::MaskWord;
use crate::{Mask, VoxelBox};

/// No voxel is looked for farther away, along any axis.
const FARTHEST: i8 = 16;
/// So many words may be looked at for each word of the mask's box.
const STEPS_PER_WORD: u64 = 64;

/// All offsets of one length, a squared distance in voxels.
struct Sphere {
    square: u64,
    /// (z, y, x)
    offsets: Vec<[i8; 3]>,
}

/// The offsets that are not longer than [`FARTHEST`], the shortest first.
static SPHERES: LazyLock<Vec<Sphere>> = LazyLock::new(|| {
    let side = -FARTHEST..=FARTHEST;
    let most = usize::from(FARTHEST.unsigned_abs()).pow(2);
    let mut of_square = vec![Vec::new(); most + 1];
    for z in side.clone() {
        for y in side.clone() {
            for x in side.clone() {
                let offset = [z, y, x];
                let squares = offset.map(|length| usize::from(length.unsigned_abs()).pow(2));
                if let Some(offsets) = of_square.get_mut(squares.iter().sum::<usize>()) {
                    offsets.push(offset);
                }
            }
        }
    }
    let spheres = (0..).zip(of_square).skip(1);
    spheres
        .map(|(square, offsets)| Sphere { square, offsets })
        .filter(|sphere| !sphere.offsets.is_empty())
        .collect()
});

/// What wearing a mask away has found.
pub(super) enum Worn {
    /// The voxels with the greatest distance.
    Away(Mask),
    /// It takes too long, or some voxel lies too deep; the greatest squared distance is at least
    /// this.
    TooDeep(u64),
}

/// Looks for the voxels farthest from the background.
///
/// A voxel's squared distance is more than `n` if the voxels at all offsets of at most that length
/// are in the mask. For 64 voxels at once that is the conjunction of the mask's words so far away.
/// Sphere by sphere the voxels of a word die; those that die last in all the mask are the deepest.
/// Once some word has lived to a sphere, another is tried against the one before it first: most die
/// of that at once.
pub(super) fn wear(mask: &Mask, bounds: VoxelBox, outside: Outside) -> Worn {
    let padded = Padded::new(mask, bounds, outside);
    // The sphere that the last voxels so far died of.
    let last = AtomicUsize::new(0);
    let steps = AtomicU64::new(0);
    let most_steps = STEPS_PER_WORD * padded.words.len() as u64;
    let rows = mask.row_numbers().par_iter().enumerate();
    let survivors = rows
        .with_min_len(16)
        .try_fold(Vec::new, |mut survivors, (index, &row)| {
            let mut steps_here = 0;
            for (word, &bits) in (mask.words().start..).zip(mask.words_of(index)) {
                if bits == 0 {
                    continue;
                }
                let at = padded.index_of(row as usize, word);
                let life =
                    padded.wear_word(bits, at, last.load(Ordering::Relaxed), &mut steps_here);
                match life {
                    Life::Shorter => {}
                    Life::Longer => return Err(SPHERES.len()),
                    Life::Until { sphere, bits } => {
                        last.fetch_max(sphere, Ordering::Relaxed);
                        survivors.push((sphere, MaskWord { row, word, bits }));
                    }
                }
            }
            let steps_before = steps.fetch_add(steps_here, Ordering::Relaxed);
            if steps_before + steps_here > most_steps {
                return Err(last.load(Ordering::Relaxed));
            }
            let last = last.load(Ordering::Relaxed);
            survivors.retain(|&(sphere, _)| sphere >= last);
            Ok(survivors)
        })
        .try_reduce(Vec::new, |mut a, mut b| {
            a.append(&mut b);
            Ok(a)
        });
    match survivors {
        Ok(mut survivors) => {
            let last = last.into_inner();
            survivors.retain(|&(sphere, _)| sphere == last);
            let words = survivors.into_iter().map(|(_, word)| word).collect();
            Worn::Away(Mask::of_words(mask.shape(), words))
        }
        Err(sphere) => Worn::TooDeep(match SPHERES.get(sphere) {
            Some(sphere) => sphere.square,
            // It outlived the last one.
            None => SPHERES.last().map_or(0, |last| last.square) + 1,
        }),
    }
}

/// How long the longest-lived voxel of a word has lived.
enum Life {
    /// Less long than another's before.
    Shorter,
    /// It died, and these with it.
    Until { sphere: usize, bits: u64 },
    /// Through all spheres.
    Longer,
}

/// The words of a mask's box, with what lies within reach around it.
struct Padded {
    words: Vec<u64>,
    /// Words in a row, and in a slice.
    row: usize,
    slice: usize,
    /// How many rows and slices there are on each side of the box.
    margin: usize,
    /// The box's low corner, x in words.
    low: [usize; 3],
    height: usize,
}

impl Padded {
    fn new(mask: &Mask, bounds: VoxelBox, outside: Outside) -> Self {
        let size = bounds.size();
        // Nothing is deeper than the box is wide, except where nothing lies outside.
        let margin = match outside {
            Outside::Background => size.iter().fold(FARTHEST as usize, |a, &b| a.min(b)),
            Outside::BackgroundInPlane => size[1].min(size[2]).min(FARTHEST as usize),
            Outside::Nothing => FARTHEST as usize,
        };
        let low = [bounds.low[0], bounds.low[1], bounds.low[2] / 64];
        let row = bounds.high[2] / 64 - low[2] + 3;
        let slice = row * (size[1] + 2 * margin);
        let mut padded = Self {
            words: vec![0; slice * (size[0] + 2 * margin)],
            row,
            slice,
            margin,
            low,
            height: mask.shape()[1],
        };
        if outside != Outside::Background {
            padded.fill_outside(mask.shape(), outside);
        }
        for (number, words) in mask.rows() {
            let first = padded.index_of(number, low[2]);
            // The mask may have words beyond the box; there is nothing in them.
            let words = &words[low[2] - mask.words().start..];
            let row = &mut padded.words[first..first + row - 2];
            for (padded, word) in row.iter_mut().zip(words) {
                *padded |= word;
            }
        }
        padded
    }

    /// Sets the bits of what lies outside a volume of this shape and is no background, as if it
    /// were in the mask.
    fn fill_outside(&mut self, shape: [usize; 3], outside: Outside) {
        let Self { low, margin, .. } = *self;
        // Where a count from the box's margin is in the volume, or is background.
        let is_inside = |at: usize, axis: usize| {
            let at = (low[axis] + at).checked_sub(margin);
            outside.is_background_along(axis) || at.is_some_and(|at| at < shape[axis])
        };
        let ends: Vec<u64> = (0..self.row)
            .map(|word| match (low[2] + word).checked_sub(1) {
                _ if outside.is_background_along(2) => 0,
                None => u64::MAX,
                Some(word) => {
                    let width = shape[2].saturating_sub(word * 64).min(64);
                    !stretch(0, width)
                }
            })
            .collect();
        let slices = self.words.chunks_exact_mut(self.slice);
        for (z, slice) in slices.enumerate() {
            for (y, row) in slice.chunks_exact_mut(self.row).enumerate() {
                if is_inside(z, 0) && is_inside(y, 1) {
                    row.copy_from_slice(&ends);
                } else {
                    row.fill(u64::MAX);
                }
            }
        }
    }

    /// Where the word of the row with this number is.
    fn index_of(&self, row: usize, word: usize) -> usize {
        let [z, y] = [
            row / self.height - self.low[0],
            row % self.height - self.low[1],
        ];
        (z + self.margin) * self.slice + (y + self.margin) * self.row + word + 1 - self.low[2]
    }

    /// The voxels at an offset from those of the word at `at`.
    #[inline]
    fn shifted(&self, at: usize, [z, y, x]: [i8; 3]) -> u64 {
        let away = z as isize * self.slice as isize + y as isize * self.row as isize;
        let at = at.wrapping_add_signed(away);
        match x {
            0 => self.words[at],
            1.. => self.words[at] >> x | self.words[at + 1] << (64 - x),
            _ => self.words[at] << -x | self.words[at - 1] >> (64 + x),
        }
    }

    /// Lets those voxels of the word at `at` die that lie no deeper than sphere after sphere.
    fn wear_word(&self, bits: u64, at: usize, last: usize, steps: &mut u64) -> Life {
        let mut worn = |mut alive: u64, sphere: &Sphere| {
            for &offset in &sphere.offsets {
                alive &= self.shifted(at, offset);
                *steps += 1;
                if alive == 0 {
                    break;
                }
            }
            alive
        };
        let reach = self.margin as u64 * self.margin as u64;
        let mut alive = bits;
        if last > 0 {
            alive = worn(alive, &SPHERES[last - 1]);
            if alive == 0 {
                return Life::Shorter;
            }
        }
        let spheres = SPHERES.iter().take_while(|sphere| sphere.square <= reach);
        for (number, sphere) in spheres.enumerate() {
            let left = worn(alive, sphere);
            if left == 0 {
                return if number < last {
                    Life::Shorter
                } else {
                    Life::Until {
                        sphere: number,
                        bits: alive,
                    }
                };
            }
            alive = left;
        }
        Life::Longer
    }
}
