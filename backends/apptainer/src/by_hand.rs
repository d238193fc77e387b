//! An interaction's container as a command line, for somebody who starts it by hand.

use std::path::{Path, PathBuf};
use std::time::Duration;

use segarena_contract::{InteractionRequest, Submission};

use crate::SINGULARITY;
use crate::config::Config;
use crate::exec::Exec;
use crate::image::Image;
use crate::launcher::{Launcher, Limits};

/// A container to be started by hand: the same image, folders, network and variables as in an
/// evaluation; no limits, and `/tmp` in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByHand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Variables of the program's own environment, which carry those of the container.
    pub variables: Vec<(String, String)>,
}

impl ByHand {
    /// The container of this submission in the image at this path. Of the configuration `kind` says
    /// which program makes it.
    pub fn new(
        config: &Config,
        submission: &Submission,
        image: &Path,
        [inputs, outputs]: [&Path; 2],
        case: &str,
    ) -> Self {
        let launcher = Launcher {
            program: PathBuf::from(&config.kind),
            name: "",
            version: String::new(),
            variable_prefix: match config.kind == SINGULARITY {
                true => "SINGULARITYENV_",
                false => "APPTAINERENV_",
            },
            is_root: rustix::process::geteuid().is_root(),
            no_sif: None,
        };
        let exec = Exec {
            launcher: &launcher,
            image: &Image::at(image),
            config,
            limits: &Limits::default(),
            submission,
            scratch: None,
        };
        let (words, variables) = exec.for_interaction(&InteractionRequest {
            run_id: "",
            case,
            index: 1,
            inputs,
            outputs,
            timeout: Duration::MAX,
            log: Path::new(""),
            cancel: Default::default(),
            worker: 0,
        });
        let program = config.kind.clone();
        Self {
            argv: std::iter::once(program).chain(words).collect(),
            variables,
        }
    }
}

/// The image that was converted from the one with this id (`sha256:…`), in a folder of converted
/// images; none where it is not there any more.
pub fn converted_image(image_dir: &Path, id: &str) -> Option<PathBuf> {
    let made = std::fs::read_dir(image_dir).ok()?.flatten();
    let forms = made.flat_map(|entry| ["image.sif", "rootfs"].map(|form| entry.path().join(form)));
    let mut there = forms.filter(|path| path.exists());
    there.find(|path| {
        let config = Image::at(path).config;
        config.is_some_and(|config| config.facts.id == id)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use segarena_contract::{ImageFacts, SubmissionSource};

    use super::*;
    use crate::image::{CONFIG_FILE, ImageConfig};

    #[test]
    fn a_converted_image_is_found_by_the_id_of_what_it_was_made_from() {
        let folder = tempfile::tempdir().unwrap();
        for (name, id) in [("a-sandbox", "sha256:1"), ("b-sandbox", "sha256:2")] {
            let made = folder.path().join(name);
            std::fs::create_dir_all(made.join("rootfs")).unwrap();
            let config = ImageConfig {
                facts: ImageFacts {
                    id: id.to_owned(),
                    workdir: "/app".to_owned(),
                    ..ImageFacts::default()
                },
                variables: Vec::new(),
            };
            let text = serde_json::to_vec(&config).unwrap();
            std::fs::write(made.join(CONFIG_FILE), text).unwrap();
        }
        let found = converted_image(folder.path(), "sha256:2").unwrap();
        assert_eq!(found, folder.path().join("b-sandbox/rootfs"));
        assert_eq!(converted_image(folder.path(), "sha256:3"), None);

        let submission = Submission {
            name: "team".to_owned(),
            source: SubmissionSource::Image {
                reference: String::new(),
                argv: None,
            },
            env: BTreeMap::from([("CASE".to_owned(), "{case}".to_owned())]),
        };
        let config = Config {
            kind: "apptainer".to_owned(),
            ..Config::default()
        };
        let folders = [Path::new("/r/inputs"), Path::new("/r/outputs")];
        let by_hand = ByHand::new(&config, &submission, &found, folders, "x.npz");
        let line = by_hand.argv.join(" ");
        assert!(line.starts_with("apptainer -s exec --compat"), "{line}");
        assert!(
            line.contains("source=/r/inputs\",destination=/workspace/inputs"),
            "{line}"
        );
        assert!(line.contains("--pwd /app"), "{line}");
        assert!(
            line.ends_with("rootfs /bin/bash -c sh predict.sh"),
            "{line}"
        );
        let case = ("APPTAINERENV_CASE".to_owned(), "x.npz".to_owned());
        assert!(by_hand.variables.contains(&case));
    }
}
