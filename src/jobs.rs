//! How many cases run side by side.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// How many cases run side by side, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// So many.
    Count(usize),
    /// One on each graphics card that there is for this process.
    Gpus,
}

const GPUS: &str = "gpus";

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count) => Ok(Self::Count(count)),
            Err(_) if text == GPUS => Ok(Self::Gpus),
            Err(_) => Err(format!(
                "`{text}` is neither a number nor `{GPUS}`, one on each graphics card"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Jobs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

struct Words;

impl Visitor<'_> for Words {
    type Value = Jobs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of cases, or \"{GPUS}\"")
    }

    fn visit_i64<E: Error>(self, count: i64) -> Result<Jobs, E> {
        let number = usize::try_from(count);
        let number = number.map_err(|_| E::invalid_value(Unexpected::Signed(count), &self))?;
        Ok(Jobs::Count(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Jobs, E> {
        match text {
            GPUS => Ok(Jobs::Gpus),
            other => Err(E::invalid_value(Unexpected::Str(other), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_a_number_or_one_for_each_card() {
        assert_eq!("4".parse(), Ok(Jobs::Count(4)));
        assert_eq!("gpus".parse(), Ok(Jobs::Gpus));
        assert!("gpu".parse::<Jobs>().unwrap_err().contains("`gpus`"));
        #[derive(Deserialize)]
        struct Table {
            jobs: Jobs,
        }
        let read = |text: &str| toml::from_str::<Table>(text).map(|table| table.jobs);
        assert_eq!(read("jobs = 4").unwrap(), Jobs::Count(4));
        assert_eq!(read("jobs = \"gpus\"").unwrap(), Jobs::Gpus);
        for bad in ["jobs = -1", "jobs = \"all\"", "jobs = 1.5"] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("\"gpus\""), "{bad}: {error}");
        }
    }
}
