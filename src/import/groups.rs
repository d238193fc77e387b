//! `DATA/groups.csv`: which group each case belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use segarena_core::results::write_whole;

/// The group that a case's name says: what is before its first `_`, as the challenge names its
/// modalities; `other` where there is nothing, as in a report.
pub(crate) fn group_of(case: &str) -> &str {
    match case.split_once('_') {
        Some((group, _)) if !group.is_empty() => group,
        _ => "other",
    }
}

/// Adds cases to the file, by name without `.npz`; a case that is there gets its new group, others
/// stay.
pub(crate) fn add(data: &Path, groups: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let path = data.join("groups.csv");
    let mut all = read(&path)?;
    all.extend(groups.clone());
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["CaseName", "group"])?;
    for (case, group) in &all {
        table.write_record([case, group])?;
    }
    Ok(write_whole(&path, &table.into_inner()?)?)
}

fn read(path: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let reading = || {
        let path = path.display();
        format!("cannot read {path}, which cases are added to (remove it if it is not needed)")
    };
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let mut table = csv::Reader::from_path(path).with_context(reading)?;
    let rows = table.deserialize::<(String, String)>();
    rows.collect::<Result<_, _>>().with_context(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_added_and_those_of_earlier_imports_stay() {
        let folder = tempfile::tempdir().unwrap();
        let groups = |pairs: &[(&str, &str)]| {
            let owned = pairs
                .iter()
                .map(|(case, group)| ((*case).into(), (*group).into()));
            owned.collect::<BTreeMap<String, String>>()
        };
        add(folder.path(), &groups(&[("a,1", "CT"), ("b", "MR")])).unwrap();
        add(folder.path(), &groups(&[("b", "US"), ("c", "CT")])).unwrap();
        let text = std::fs::read_to_string(folder.path().join("groups.csv")).unwrap();
        assert_eq!(text, "CaseName,group\n\"a,1\",CT\nb,US\nc,CT\n");
    }

    #[test]
    fn a_group_is_what_is_before_the_first_underscore() {
        assert_eq!(group_of("CT_liver_0001"), "CT");
        assert_eq!(group_of("liver"), "other");
        assert_eq!(group_of("_1"), "other");
    }
}
