//! The three scripts, as text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// What the scripts are made of. All paths are absolute.
#[derive(Debug)]
pub(crate) struct Scripts {
    /// segarena itself.
    pub(crate) program: PathBuf,
    /// The configuration.
    pub(crate) config: PathBuf,
    /// The output folder.
    pub(crate) output: PathBuf,
    /// sbatch's own options, as the configuration has them.
    pub(crate) lines: Vec<String>,
    /// Commands that come first.
    pub(crate) before: Vec<String>,
    /// Into how many shards the pairs are divided.
    pub(crate) count: usize,
    /// Those that have something left to do.
    pub(crate) shards: BTreeSet<usize>,
    /// How many of them may run at a time.
    pub(crate) at_once: Option<usize>,
}

impl Scripts {
    /// Where scripts and logs are.
    pub(crate) fn folder(&self) -> PathBuf {
        self.output.join("slurm")
    }

    /// Refuses what can't stand in a line of a script.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let paths = [&self.program, &self.config, &self.output];
        let broken = paths.into_iter().find(|path| {
            let text = path.to_str();
            text.is_none_or(|text| text.contains(['\n', '"', '\\']))
        });
        match broken {
            None => Ok(()),
            Some(path) => Err(ConfigError::Missing {
                message: format!(
                    "{} can't be written into a script for sbatch: its name has a quote, a \
                     backslash, a line break or is not UTF-8 (rename it)",
                    path.display()
                ),
            }),
        }
    }

    /// Checks the data set once for all shards.
    pub(crate) fn prepare(&self) -> String {
        let config = quoted(&self.config);
        self.script(
            "prepare",
            "%j",
            &[],
            &format!("evaluate --config {config} --prepare"),
        )
    }

    /// Does the shards, a task each.
    pub(crate) fn shards(&self) -> String {
        let throttle = self.at_once.map(|at_once| format!("%{at_once}"));
        let array = format!(
            "--array={}{}",
            ranges(&self.shards),
            throttle.unwrap_or_default()
        );
        self.script(
            "shard",
            "%A_%a",
            &[&array, "--requeue", "--signal=B:TERM@60"],
            &format!(
                "evaluate --config {} --shard \"$SLURM_ARRAY_TASK_ID/{}\" --quiet",
                quoted(&self.config),
                self.count
            ),
        )
    }

    /// Puts together what the shards have left.
    pub(crate) fn gather(&self) -> String {
        let output = quoted(&self.output);
        self.script("gather", "%j", &[], &format!("gather {output}"))
    }

    fn script(&self, name: &str, log: &str, options: &[&str], command: &str) -> String {
        // sbatch takes a percent sign for the beginning of a pattern.
        let folder = self.folder().to_string_lossy().replace('%', "%%");
        let ours = [
            format!("--job-name=segarena-{name}"),
            format!("--output=\"{folder}/{name}-{log}.log\""),
            "--open-mode=append".to_owned(),
        ];
        let options = options.iter().map(|&option| option.to_owned());
        // The configuration's lines come last, so that they prevail.
        let lines: String = ours
            .into_iter()
            .chain(options)
            .chain(self.lines.iter().cloned())
            .map(|line| format!("#SBATCH {line}\n"))
            .collect();
        let before: String = self.before.iter().map(|line| format!("{line}\n")).collect();
        // `exec`, as Slurm signals the process of the script and nothing below it.
        format!(
            "#!/bin/bash\n{lines}{before}exec {} {command}\n",
            quoted(&self.program)
        )
    }
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"))
}

/// Numbers as sbatch's `--array` takes them: `0-3,7`.
pub(crate) fn ranges(numbers: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let texts: Vec<String> = ranges
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts() -> Scripts {
        Scripts {
            program: "/opt/seg arena/segarena".into(),
            config: "/data/it's/segarena.toml".into(),
            output: "/data/50% off".into(),
            lines: vec!["--partition=gpu".to_owned(), "--time=04:00:00".to_owned()],
            before: vec!["module load apptainer".to_owned()],
            count: 40,
            shards: [0, 1, 2, 7, 9, 10].into(),
            at_once: Some(8),
        }
    }

    #[test]
    fn the_array_s_script_has_our_options_then_the_configuration_s_then_one_command() {
        let expected = r#"#!/bin/bash
#SBATCH --job-name=segarena-shard
#SBATCH --output="/data/50%% off/slurm/shard-%A_%a.log"
#SBATCH --open-mode=append
#SBATCH --array=0-2,7,9-10%8
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
#SBATCH --partition=gpu
#SBATCH --time=04:00:00
module load apptainer
exec '/opt/seg arena/segarena' evaluate --config '/data/it'\''s/segarena.toml' --shard "$SLURM_ARRAY_TASK_ID/40" --quiet
"#;
        assert_eq!(scripts().shards(), expected);
    }

    #[test]
    fn the_scripts_around_the_array_check_the_data_set_and_gather() {
        let scripts = scripts();
        assert!(scripts.check().is_ok());
        let prepare = scripts.prepare();
        assert!(prepare.ends_with("segarena.toml' --prepare\n"), "{prepare}");
        assert!(!prepare.contains("--array"), "{prepare}");
        let gather = scripts.gather();
        assert!(gather.ends_with("gather '/data/50% off'\n"), "{gather}");
        assert!(gather.contains("gather-%j.log"), "{gather}");
    }

    #[test]
    fn a_path_that_a_script_can_not_hold_is_refused() {
        for bad in ["/a\nb", "/a\"b", "/a\\b"] {
            let mut scripts = scripts();
            scripts.output = bad.into();
            assert!(scripts.check().is_err(), "{bad:?}");
        }
    }
}
