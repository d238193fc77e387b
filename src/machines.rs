//! The machines that cases ran on, told apart by what running times depend on.

use std::collections::{BTreeMap, BTreeSet};

use segarena_core::machine::Machine;
use segarena_core::record::{CaseRecord, Outcome};

use crate::printable::printable;
use crate::progress::first_few;

/// Machines by their kind: those with the same processor and graphics cards are alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machines(BTreeMap<String, BTreeSet<String>>);

/// Of records that older versions have written.
const UNKNOWN: &str = "an unknown machine";
/// So many machines of a kind are named.
const NAMED: usize = 3;

impl Machines {
    /// Those that ran these cases.
    pub(crate) fn of<'a>(cases: impl IntoIterator<Item = &'a CaseRecord>) -> Self {
        let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for case in cases.into_iter().filter(|case| was_run(case)) {
            let hosts = kinds.entry(kind_of(case)).or_default();
            for machine in machines(case) {
                if !hosts.contains(&machine.host) {
                    hosts.insert(machine.host.clone());
                }
            }
        }
        Self(kinds)
    }

    /// Whether they are of more than one kind, so that running times can't be held beside each
    /// other.
    pub(crate) fn differ(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether it is known of any which it is.
    pub(crate) fn are_known(&self) -> bool {
        self.0.keys().any(|kind| kind != UNKNOWN)
    }

    /// The kinds, in words.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Each kind with its machines.
    pub(crate) fn words(&self) -> String {
        let kinds = self.0.iter().map(|(kind, hosts)| {
            let named = first_few(NAMED, hosts.iter().map(|host| printable(host)));
            match hosts.is_empty() {
                true => kind.clone(),
                false => format!("{kind} ({named})"),
            }
        });
        kinds.collect::<Vec<_>>().join("; ")
    }
}

/// Whether anything of a case ran anywhere.
fn was_run(case: &CaseRecord) -> bool {
    let mut interactions = case.interactions.iter();
    interactions.any(|interaction| interaction.outcome != Outcome::Skipped)
}

/// The kind of machine that a case ran on, in words.
pub(crate) fn kind_of(case: &CaseRecord) -> String {
    let kinds: BTreeSet<String> = machines(case).map(kind).collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    match kinds.is_empty() {
        true => UNKNOWN.to_owned(),
        false => kinds.join(" and "),
    }
}

fn machines(case: &CaseRecord) -> impl Iterator<Item = &Machine> {
    let interactions = case.interactions.iter();
    interactions.filter_map(|interaction| interaction.machine.as_deref())
}

fn kind(machine: &Machine) -> String {
    let cpu = machine.cpu.as_deref().unwrap_or("unknown processor");
    match &machine.gpu {
        Some(gpu) => printable(&format!("{cpu}, {gpu}")),
        None => printable(cpu),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::progress::sample::{record, sound};

    /// A case that ran on this machine.
    pub(crate) fn on(name: &str, host: &str, gpu: Option<&str>) -> CaseRecord {
        let mut case = record(name, 0.5, sound());
        let machine = Arc::new(Machine {
            host: host.to_owned(),
            cpu: Some("AMD EPYC 7763".to_owned()),
            gpu: gpu.map(str::to_owned),
        });
        for interaction in &mut case.interactions {
            interaction.machine = Some(Arc::clone(&machine));
        }
        case
    }

    #[test]
    fn machines_are_alike_that_have_the_same_processor_and_cards() {
        let alike = [on("1.npz", "n1", None), on("2.npz", "n2", None)];
        let machines = Machines::of(&alike);
        assert!(!machines.differ() && machines.are_known());
        assert_eq!(machines.words(), "AMD EPYC 7763 (n1, n2)");
        let other = on("3.npz", "n3", Some("NVIDIA A100"));
        let machines = Machines::of(alike.iter().chain([&other]));
        assert!(machines.differ());
        assert_eq!(
            machines.words(),
            "AMD EPYC 7763 (n1, n2); AMD EPYC 7763, NVIDIA A100 (n3)"
        );
        assert_eq!(kind_of(&other), "AMD EPYC 7763, NVIDIA A100");
    }

    #[test]
    fn what_older_records_do_not_tell_is_unknown() {
        let machines = Machines::of(&[record("1.npz", 0.5, sound())]);
        assert!(!machines.are_known() && !machines.differ());
        assert_eq!(machines.words(), UNKNOWN);
    }

    #[test]
    fn a_case_that_nothing_was_run_of_is_on_no_machine() {
        let idle = record("2.npz", 0.0, vec![Outcome::Skipped]);
        let machines = Machines::of(&[on("1.npz", "n1", None), idle]);
        assert!(!machines.differ(), "{}", machines.words());
    }

    #[test]
    fn of_very_many_machines_a_few_are_named() {
        let cases: Vec<CaseRecord> = (1..=5)
            .map(|n| on("1.npz", &format!("n{n}"), None))
            .collect();
        let words = Machines::of(&cases).words();
        assert_eq!(words, "AMD EPYC 7763 (n1, n2, n3 and 2 more)");
    }
}
