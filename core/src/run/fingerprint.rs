//! What determines a submission's numbers, so that results of different runs are never mixed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backend::Lifetime;
use crate::protocol::Protocol;

/// Everything that determines a submission's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// segarena's version.
    pub segarena: String,
    /// The protocol's options.
    pub protocol: Protocol,
    /// The id of the track.
    #[serde(default = "crate::record::first_track")]
    pub track: String,
    /// The click policy with its options.
    pub click_policy: String,
    /// The backend's kind.
    pub backend: String,
    /// How long a submission that was started lives.
    #[serde(default, skip_serializing_if = "Lifetime::is_cold")]
    pub lifetime: Lifetime,
    /// What is run, from [`Runnable::fingerprint`](crate::backend::Runnable::fingerprint).
    pub submission: String,
    /// The SHA-256 of each case's files.
    pub cases: BTreeMap<String, String>,
}

impl Fingerprint {
    /// What differs from `other`, in words; empty if results of the two can stand side by side.
    /// A case that only one of them has is no difference.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        self.differences_in(other, |_| true)
    }

    /// The same, where of the cases only those that `counts` names do.
    pub(super) fn differences_in(
        &self,
        other: &Self,
        counts: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, then: &str, now: &str| {
            if then != now {
                found.push(format!("{what} was {then}, now it is {now}"));
            }
        };
        compare("segarena's version", &self.segarena, &other.segarena);
        let name = |id: &str| id.split('(').next().unwrap_or_default().to_owned();
        compare("the track", &name(&self.track), &name(&other.track));
        let (then, now) = (fields(&self.protocol), fields(&other.protocol));
        for (key, value) in &then {
            compare(key, value, now.get(key).map_or("unset", String::as_str));
        }
        compare("the click policy", &self.click_policy, &other.click_policy);
        compare("the backend", &self.backend, &other.backend);
        let (then, now) = (self.lifetime.name(), other.lifetime.name());
        compare("the lifetime", then, now);
        compare("the submission", &self.submission, &other.submission);
        for (case, hash) in self.cases.iter().filter(|(case, _)| counts(case)) {
            if other.cases.get(case).is_some_and(|now| now != hash) {
                found.push(format!("the files of case {case} have changed"));
            }
        }
        found
    }
}

impl Fingerprint {
    /// What determines the numbers of one case, in short: the SHA-256 of all of it that concerns
    /// this case.
    pub fn of_case(&self, case: &str) -> String {
        let own = self.cases.get_key_value(case).into_iter();
        let one = Self {
            cases: own
                .map(|(name, hash)| (name.clone(), hash.clone()))
                .collect(),
            ..self.without_cases()
        };
        // Nothing in it can fail to be written; an empty text would be no other run's.
        let text = serde_json::to_vec(&one).unwrap_or_default();
        hex::encode(Sha256::digest(&text))
    }

    /// All of it that is the same for every case.
    pub(super) fn without_cases(&self) -> Self {
        Self {
            cases: BTreeMap::new(),
            segarena: self.segarena.clone(),
            protocol: self.protocol.clone(),
            track: self.track.clone(),
            click_policy: self.click_policy.clone(),
            backend: self.backend.clone(),
            lifetime: self.lifetime,
            submission: self.submission.clone(),
        }
    }
}

/// The options by name, as text.
fn fields(protocol: &Protocol) -> BTreeMap<String, String> {
    let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(protocol) else {
        return BTreeMap::new();
    };
    fields
        .into_iter()
        .map(|(key, value)| (key, value.to_string()))
        .collect()
}
