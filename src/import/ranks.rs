//! Percentiles of voxels without sorting or copying them.

/// Bits that one pass tells apart.
const DIGIT: u32 = 16;

/// Percentiles of the positive numbers that `each` hands over, `None` where there is none.
///
/// The values are numpy's (`numpy.percentile`, its default, linear interpolation; Hyndman and Fan's
/// definition 7): exact ranks, found digit by digit in four passes over the numbers, whose bits as
/// integers are in the order of their values. Memory is that of a few histograms.
pub(crate) fn percentiles<const N: usize>(
    percents: [f64; N],
    each: impl Fn(&mut dyn FnMut(f64)),
) -> Option<[f64; N]> {
    let mut count = 0u64;
    each(&mut |value| count += u64::from(value > 0.0));
    let last = count.checked_sub(1)?;
    let places = percents.map(|percent| percent / 100.0 * last as f64);
    let ranks: Vec<u64> = places
        .iter()
        .flat_map(|place| [place.floor() as u64, (place.floor() as u64 + 1).min(last)])
        .collect();
    let values = at_ranks(&ranks, each);
    let mut found = [0.0; N];
    for (at, value) in found.iter_mut().enumerate() {
        let (low, high) = (values[2 * at], values[2 * at + 1]);
        *value = between(low, high, places[at].fract());
    }
    Some(found)
}

/// numpy's interpolation, which counts from the nearer side.
fn between(low: f64, high: f64, part: f64) -> f64 {
    if low == high {
        low
    } else if part < 0.5 {
        low + (high - low) * part
    } else {
        high - (high - low) * (1.0 - part)
    }
}

/// The positive numbers of these ranks, counted from 0.
fn at_ranks(ranks: &[u64], each: impl Fn(&mut dyn FnMut(f64))) -> Vec<f64> {
    // The digits found so far of each rank's number, and its rank among those that share them.
    let mut found: Vec<(u64, u64)> = ranks.iter().map(|&rank| (0, rank)).collect();
    for shift in [48, 32, 16, 0] {
        let mut prefixes: Vec<u64> = found.iter().map(|&(prefix, _)| prefix).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        let mut histograms = vec![vec![0u64; 1 << DIGIT]; prefixes.len()];
        each(&mut |value| {
            if value > 0.0 {
                let bits = value.to_bits();
                // The first pass has no digits yet, and a shift by 64 would be none.
                let prefix = bits.checked_shr(shift + DIGIT).unwrap_or(0);
                if let Some(at) = prefixes.iter().position(|&known| known == prefix) {
                    histograms[at][(bits >> shift) as usize & 0xffff] += 1;
                }
            }
        });
        for (prefix, rank) in &mut found {
            let at = prefixes
                .iter()
                .position(|known| known == prefix)
                .unwrap_or(0);
            let mut digit = 0;
            for &count in &histograms[at] {
                if *rank < count {
                    break;
                }
                *rank -= count;
                digit += 1;
            }
            *prefix = *prefix << DIGIT | digit;
        }
    }
    found
        .into_iter()
        .map(|(bits, _)| f64::from_bits(bits))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], percents: [f64; 3]) -> Option<[f64; 3]> {
        percentiles(percents, |take| {
            values.iter().for_each(|&value| take(value))
        })
    }

    /// The definition, on sorted numbers.
    fn twin(values: &[f64], percent: f64) -> f64 {
        let mut sorted: Vec<f64> = values
            .iter()
            .copied()
            .filter(|&value| value > 0.0)
            .collect();
        sorted.sort_by(f64::total_cmp);
        let place = percent / 100.0 * (sorted.len() - 1) as f64;
        let low = place.floor() as usize;
        between(
            sorted[low],
            sorted[(low + 1).min(sorted.len() - 1)],
            place.fract(),
        )
    }

    #[test]
    fn percentiles_are_those_of_sorted_numbers() {
        // A plain generator serves: numbers of very unlike size, with many repeated.
        let mut state = 7u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            state >> 33
        };
        for length in [1usize, 2, 3, 10, 1000] {
            let values: Vec<f64> = (0..length)
                .map(|_| match draw() % 4 {
                    0 => (draw() % 5) as f64,
                    1 => draw() as f64 * 1e-12,
                    2 => draw() as f64 / 7.0,
                    _ => -(draw() as f64),
                })
                .chain([1.5])
                .collect();
            let found = of(&values, [0.5, 50.0, 99.5]).unwrap();
            assert_eq!(
                found,
                [0.5, 50.0, 99.5].map(|percent| twin(&values, percent))
            );
        }
    }

    #[test]
    fn numpy_gives_the_same() {
        // numpy.percentile([1, 2, 4, 8, 16], [0.5, 50, 99.5])
        let values = [16.0, 1.0, -3.0, 8.0, 2.0, 0.0, 4.0, f64::NAN];
        let found = of(&values, [0.5, 50.0, 99.5]).unwrap();
        for (found, wanted) in found.iter().zip([1.02, 4.0, 15.84]) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
    }

    #[test]
    fn nothing_above_zero_has_no_percentiles() {
        assert_eq!(of(&[0.0, -1.0, f64::NAN], [0.5, 50.0, 99.5]), None);
        assert_eq!(of(&[], [0.5, 50.0, 99.5]), None);
    }
}
