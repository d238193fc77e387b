//! The groups that cases belong to, such as modalities.

use std::collections::BTreeMap;
use std::path::Path;

use segarena_core::case::stem;
use serde::{Deserialize, Serialize};

/// Where a case belongs that nothing assigns to a group.
pub(crate) const OTHER: &str = "other";

/// The group of each case: as a file says or, without one, the name up to the first `_`, which is
/// how the challenge names its modalities.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Groups {
    /// By the case's name without `.npz`.
    named: BTreeMap<String, String>,
}

/// A groups file that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupsError {
    #[error("cannot read the groups {path}: {source}")]
    Unreadable { path: String, source: csv::Error },
    #[error(
        "{path} has the columns {found}, and needs `CaseName` (or `case`) and `group` (the first line names the columns)"
    )]
    Columns { path: String, found: String },
    #[error("{path}, line {line}: {message}")]
    Line {
        path: String,
        line: u64,
        message: String,
    },
}

impl Groups {
    /// Reads a CSV file with the columns `CaseName`, as in the official tables, or `case` (with or
    /// without `.npz`) and `group`; others are left alone.
    ///
    /// # Errors
    /// When it can't be read, lacks a column, or a line is empty in one or names a case twice.
    pub(crate) fn read(file: &Path) -> Result<Self, GroupsError> {
        let path = file.display().to_string();
        let unreadable = |source| GroupsError::Unreadable {
            path: path.clone(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(file)
            .map_err(unreadable)?;
        let headers = reader.headers().map_err(unreadable)?.clone();
        let place = |name: &str| headers.iter().position(|header| header == name);
        let case = place("CaseName").or_else(|| place("case"));
        let (Some(case), Some(group)) = (case, place("group")) else {
            return Err(GroupsError::Columns {
                path,
                found: headers.iter().collect::<Vec<_>>().join(", "),
            });
        };
        let mut named = BTreeMap::new();
        for line in reader.records() {
            let line = line.map_err(unreadable)?;
            let wrong = |message: String| GroupsError::Line {
                path: path.clone(),
                line: line.position().map_or(0, csv::Position::line),
                message,
            };
            let (case, group) = (stem(&line[case]), &line[group]);
            if case.is_empty() || group.is_empty() {
                return Err(wrong("`case` and `group` must not be empty".to_owned()));
            }
            if named.insert(case.to_owned(), group.to_owned()).is_some() {
                return Err(wrong(format!("the case {case} was named before")));
            }
        }
        Ok(Self { named })
    }

    /// The group of a case, by its file's name.
    pub(crate) fn of<'a>(&'a self, case: &'a str) -> &'a str {
        let case = stem(case);
        let named = self.named.get(case).map(String::as_str);
        let by_name = case.split_once('_').map(|(group, _)| group);
        let found = if self.named.is_empty() {
            by_name
        } else {
            named
        };
        found.filter(|group| !group.is_empty()).unwrap_or(OTHER)
    }

    /// The first of these cases that a file left out.
    pub(crate) fn lacks<'c>(&self, mut cases: impl Iterator<Item = &'c str>) -> Option<&'c str> {
        cases.find(|case| !self.named.is_empty() && !self.named.contains_key(stem(case)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Groups, GroupsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("groups.csv");
        std::fs::write(&file, text).unwrap();
        Groups::read(&file)
    }

    #[test]
    fn without_a_file_a_case_belongs_to_what_its_name_begins_with() {
        let groups = Groups::default();
        assert_eq!(groups.of("CT_abdomen_1.npz"), "CT");
        assert_eq!(groups.of("plain.npz"), OTHER);
        assert_eq!(groups.of("_x.npz"), OTHER);
        assert_eq!(groups.lacks(["plain.npz"].into_iter()), None);
    }

    #[test]
    fn a_file_names_the_group_of_each_case_in_any_order_of_columns() {
        let groups = read("group,site,case\nhead,A,1.npz\nheart,B,CT_2\n").unwrap();
        let official = read("CaseName,group\n1,head\nCT_2,heart\n").unwrap();
        assert_eq!(groups, official);
        assert_eq!(groups.of("1.npz"), "head");
        assert_eq!(groups.of("CT_2.npz"), "heart");
        assert_eq!(groups.of("CT_3.npz"), OTHER);
        assert_eq!(
            groups.lacks(["1.npz", "CT_3.npz"].into_iter()),
            Some("CT_3.npz")
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_line() {
        for (text, said) in [
            ("name,group\na,b\n", "has the columns name, group"),
            (
                "case,group\na,b\na.npz,c\n",
                "line 3: the case a was named before",
            ),
            (
                "case,group\na,\n",
                "line 2: `case` and `group` must not be empty",
            ),
            ("case,group\na\n", "cannot read the groups"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
