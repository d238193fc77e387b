//! A share of a run, for many machines that each do one.
//!
//! Which pairs of submission and case are in a share follows from the submissions, the cases'
//! weights and the number of shares alone: every machine finds the same, and none asks another.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of so many shares of a run, `I/N` with `I` from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: usize,
    count: usize,
}

/// The most shares there can be, so that a slip of the keyboard is told as one.
const MOST: usize = 1_000_000;

impl Shard {
    /// Share `index`, from 0, of `count`.
    ///
    /// # Errors
    /// When there is no such share; the text says what there is.
    pub fn new(index: usize, count: usize) -> Result<Self, String> {
        if count == 0 || count > MOST {
            return Err(format!("there can be 1 to {MOST} shards, not {count}"));
        }
        if index >= count {
            return Err(format!(
                "of {count} shards the first is 0/{count} and the last {}/{count}",
                count - 1
            ));
        }
        Ok(Self { index, count })
    }

    /// Which share, from 0.
    pub fn index(self) -> usize {
        self.index
    }

    /// Out of so many.
    pub fn count(self) -> usize {
        self.count
    }

    /// The name of what is this shard's own: `I-of-N`.
    pub fn file_stem(self) -> String {
        format!("{}-of-{}", self.index, self.count)
    }

    /// The shard with this [`file_stem`](Self::file_stem).
    pub fn of_file_stem(stem: &str) -> Option<Self> {
        let (index, count) = stem.split_once("-of-")?;
        Self::new(index.parse().ok()?, count.parse().ok()?).ok()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = numbers
            .ok_or_else(|| format!("`{text}` is not I/N, such as 0/40 for the first of 40"))?;
        Self::new(index, count)
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

/// A case of a submission, both by their place in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// The submission.
    pub submission: usize,
    /// The case.
    pub case: usize,
}

/// Divides every case of every submission into `count` shares of about equal weight; each share's
/// pairs are in order.
///
/// `weights` has an entry per case: what it costs, the same for each submission.
///
/// With as many shares as submissions or more, a share has one submission, so that an image is
/// loaded once; a submission's cases are dealt out heaviest first, each to the share that has
/// least (Graham's *longest processing time* rule, within 4/3 of the best). With fewer shares, a
/// share has neighbouring submissions, and at most one more than that is needed.
pub fn shares(submissions: usize, weights: &[u64], count: usize) -> Vec<Vec<Pair>> {
    let mut shares = if submissions == 0 {
        vec![Vec::new(); count]
    } else if count < submissions {
        cut(submissions, weights, count)
    } else {
        (0..submissions)
            .flat_map(|submission| {
                let own = shares_of(submission, submissions, count);
                deal(submission, weights, own)
            })
            .collect()
    };
    for share in &mut shares {
        share.sort_unstable();
    }
    shares
}

/// How many of `count` shares a submission gets: all the same number, or the first ones one more.
fn shares_of(submission: usize, submissions: usize, count: usize) -> usize {
    count / submissions + usize::from(submission < count % submissions)
}

/// One submission's cases in `count` shares.
fn deal(submission: usize, weights: &[u64], count: usize) -> Vec<Vec<Pair>> {
    let mut heaviest_first: Vec<usize> = (0..weights.len()).collect();
    heaviest_first.sort_by_key(|&case| (Reverse(weights[case]), case));
    let mut lightest: BinaryHeap<_> = (0..count).map(|share| Reverse((0_u64, share))).collect();
    let mut shares = vec![Vec::new(); count];
    for case in heaviest_first {
        let Some(Reverse((weight, share))) = lightest.pop() else {
            break;
        };
        shares[share].push(Pair { submission, case });
        lightest.push(Reverse((weight.saturating_add(weights[case]), share)));
    }
    shares
}

/// All submissions' cases in a row, cut into `count` pieces of about equal weight.
fn cut(submissions: usize, weights: &[u64], count: usize) -> Vec<Vec<Pair>> {
    let one: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    let total = (one * submissions as u128).max(1);
    let mut shares = vec![Vec::new(); count];
    let mut before: u128 = 0;
    for submission in 0..submissions {
        for (case, &weight) in weights.iter().enumerate() {
            // A case belongs where its middle falls.
            let middle = before + u128::from(weight) / 2;
            let share = (middle * count as u128 / total) as usize;
            shares[share.min(count - 1)].push(Pair { submission, case });
            before += u128::from(weight);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn weight(share: &[Pair], weights: &[u64]) -> u64 {
        share.iter().map(|pair| weights[pair.case]).sum()
    }

    /// Weights as a challenge's cases have them: a tenth of them twenty times the common one.
    fn thousand_cases() -> Vec<u64> {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state >> 40
        };
        (0..1000)
            .map(|case| {
                let voxels = 1_000_000 + next() % 5_000_000;
                let classes = 1 + next() % 3;
                voxels * classes * if case % 10 == 0 { 20 } else { 1 }
            })
            .collect()
    }

    #[test]
    fn shares_of_fifty_submissions_and_a_thousand_cases_are_even_and_found_at_once() {
        let weights = thousand_cases();
        let all: u64 = weights.iter().sum();
        let began = Instant::now();
        for count in [8, 40, 50, 100, 200, 500] {
            let ideal = (all * 50) as f64 / count as f64;
            for share in shares(50, &weights, count) {
                let off = weight(&share, &weights) as f64 / ideal - 1.0;
                assert!(off.abs() < 0.05, "{count} shares: one is off by {off:.3}");
            }
        }
        // Six plans, in a build without optimization; one is to take less than two seconds.
        assert!(began.elapsed() < Duration::from_secs(12));
    }

    #[test]
    fn a_share_has_one_submission_where_there_are_shares_enough() {
        let weights = thousand_cases();
        for count in [50, 120, 1000] {
            for share in shares(50, &weights, count) {
                let teams: BTreeSet<_> = share.iter().map(|pair| pair.submission).collect();
                assert_eq!(teams.len(), 1);
            }
        }
        let loads: usize = shares(50, &weights, 40)
            .iter()
            .map(|share| {
                share
                    .iter()
                    .map(|p| p.submission)
                    .collect::<BTreeSet<_>>()
                    .len()
            })
            .sum();
        assert!(loads <= 50 + 39, "{loads} loads of 50 images");
    }

    #[test]
    fn a_shard_is_read_as_it_is_written() {
        let shard: Shard = "5/6".parse().unwrap();
        assert_eq!((shard.index(), shard.count()), (5, 6));
        assert_eq!(shard.to_string(), "5/6");
        assert_eq!(Shard::of_file_stem(&shard.file_stem()), Some(shard));
        for (bad, said) in [
            ("6/6", "the last 5/6"),
            ("0/0", "not 0"),
            ("1", "0/40"),
            ("-1/4", "0/40"),
            ("1/4/2", "0/40"),
            ("0/99999999", "99999999"),
        ] {
            let error = bad.parse::<Shard>().unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_pair_is_in_one_share(
            submissions in 0_usize..6,
            weights in proptest::collection::vec(0_u64..100, 0..30),
            count in 1_usize..40,
        ) {
            let shares = shares(submissions, &weights, count);
            prop_assert_eq!(shares.len(), count);
            let mut pairs: Vec<Pair> = shares.concat();
            pairs.sort_unstable();
            let expected: Vec<Pair> = (0..submissions)
                .flat_map(|submission| (0..weights.len()).map(move |case| Pair { submission, case }))
                .collect();
            prop_assert_eq!(pairs, expected);
        }

        #[test]
        fn no_share_is_far_above_what_is_possible(
            weights in proptest::collection::vec(0_u64..100, 1..30),
            count in 1_usize..10,
        ) {
            let all: u64 = weights.iter().sum();
            let heaviest = weights.iter().copied().max().unwrap_or(0);
            let bound = all as f64 / count as f64 + heaviest as f64;
            for share in shares(1, &weights, count) {
                prop_assert!(weight(&share, &weights) as f64 <= bound);
            }
        }
    }
}
