//! The folders of this machine that a submission's container is given, and their places in it.

use std::path::{Path, PathBuf};

use segarena_contract::{InteractionRequest, Placeholders, Scope};

/// Where a container finds its inputs.
pub const INPUTS: &str = "/workspace/inputs";
/// Where a container puts its outputs.
pub const OUTPUTS: &str = "/workspace/outputs";
/// Where a container that is kept for a run finds the folders of each case as long as it lasts.
pub const CASES: &str = "/workspace/cases";

/// What of this machine a container is given, and what it is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The folders: on this machine, in the container.
    pub binds: Vec<(String, &'static str)>,
    /// What takes the place of `{inputs}` and `{outputs}`.
    named: [&'static Path; 2],
    /// What takes the place of `{case}`.
    case: String,
}

impl Folders {
    /// Those of one interaction.
    pub fn of_interaction(request: &InteractionRequest<'_>) -> Self {
        Self::of_case(request.case, request.inputs, request.outputs)
    }

    /// Those of a container that is kept warm; `None` where each interaction has its own.
    pub fn of_scope(scope: Scope<'_>) -> Option<Self> {
        match scope {
            Scope::Interaction => None,
            Scope::Case {
                case,
                inputs,
                outputs,
            } => Some(Self::of_case(case, inputs, outputs)),
            // Each case's own are named by the request for it.
            Scope::Run { cases } => Some(Self {
                binds: vec![(text(cases), CASES)],
                named: [Path::new(CASES); 2],
                case: String::new(),
            }),
        }
    }

    fn of_case(case: &str, inputs: &Path, outputs: &Path) -> Self {
        Self {
            binds: vec![(text(inputs), INPUTS), (text(outputs), OUTPUTS)],
            named: [Path::new(INPUTS), Path::new(OUTPUTS)],
            case: case.to_owned(),
        }
    }

    /// What a command and variables have in the place of their placeholders.
    pub fn placeholders(&self) -> Placeholders<'_> {
        let [inputs, outputs] = self.named;
        Placeholders {
            inputs,
            outputs,
            case: &self.case,
        }
    }

    /// The place in the container of a folder of this machine that is bound, or lies in one that
    /// is.
    pub fn inside(&self, folder: &Path) -> String {
        let bound = self.binds.iter().find_map(|(host, inside)| {
            let rest = folder.strip_prefix(host).ok()?;
            Some(Path::new(inside).join(rest))
        });
        let place = bound.unwrap_or_else(|| folder.to_owned());
        text(&place).trim_end_matches('/').to_owned()
    }

    /// The folders of this machine around this one that the container may change, the innermost
    /// first.
    pub fn around(&self, folder: &Path) -> Vec<PathBuf> {
        let is_given = |around: &&Path| self.binds.iter().any(|(host, _)| around.starts_with(host));
        let around = folder.ancestors().skip(1);
        around.filter(is_given).map(Path::to_owned).collect()
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_of_a_run_has_its_place_below_the_one_mount() {
        let cases = Path::new("/work/team/.worker-0");
        let folders = Folders::of_scope(Scope::Run { cases }).unwrap();
        assert_eq!(folders.binds, [("/work/team/.worker-0".to_owned(), CASES)]);
        let inputs = folders.inside(&cases.join("x/inputs"));
        assert_eq!(inputs, "/workspace/cases/x/inputs");
        let around = folders.around(&cases.join("x/inputs"));
        assert_eq!(around, [cases.join("x"), cases.to_owned()]);
        assert_eq!(folders.placeholders().fill("{inputs}"), CASES);
        assert_eq!(Folders::of_scope(Scope::Interaction), None);
    }

    #[test]
    fn a_case_of_its_own_is_where_it_is_at_a_fresh_start() {
        let scope = Scope::Case {
            case: "x.npz",
            inputs: Path::new("/work/x/inputs"),
            outputs: Path::new("/work/x/outputs"),
        };
        let folders = Folders::of_scope(scope).unwrap();
        assert_eq!(folders.inside(Path::new("/work/x/inputs")), INPUTS);
        assert_eq!(folders.inside(Path::new("/work/x/outputs")), OUTPUTS);
        assert!(folders.around(Path::new("/work/x/outputs")).is_empty());
        let filled = folders.placeholders().fill("{case} {outputs}");
        assert_eq!(filled, format!("x.npz {OUTPUTS}"));
    }
}
