//! The words of `apptainer exec`: what a submission is contained by.

use std::collections::BTreeMap;
use std::path::Path;

use segarena_container::folders::Folders;
use segarena_contract::{CARDS_VARIABLE, InteractionRequest, Submission};
use segarena_warm::{SERVE, SERVE_VARIABLE};

use crate::config::Config;
use crate::image::Image;
use crate::launcher::{Launcher, Limits};

/// One container: an image, what runs in it, what it may see and use.
#[derive(Debug)]
pub(crate) struct Exec<'a> {
    pub(crate) launcher: &'a Launcher,
    pub(crate) image: &'a Image,
    pub(crate) config: &'a Config,
    pub(crate) limits: &'a Limits,
    pub(crate) submission: &'a Submission,
    /// What holds `/tmp`, `/var/tmp` and the home folder; none: memory, which is bounded by
    /// `sessiondir max size`, 64 MiB.
    pub(crate) scratch: Option<&'a Path>,
}

impl Exec<'_> {
    /// The arguments for an interaction, and the variables that carry the submission's own.
    pub(crate) fn for_interaction(
        &self,
        request: &InteractionRequest<'_>,
    ) -> (Vec<String>, Vec<(String, String)>) {
        self.words(&Folders::of_interaction(request), request.worker, None)
    }

    /// The same for a submission that is to stay and be asked.
    pub(crate) fn to_be_kept_warm(
        &self,
        folders: &Folders,
        worker: usize,
    ) -> (Vec<String>, Vec<(String, String)>) {
        let serve = (SERVE_VARIABLE.to_owned(), SERVE.to_owned());
        self.words(folders, worker, Some(serve))
    }

    /// The arguments with these folders, and the variables, this one before all others.
    fn words(
        &self,
        folders: &Folders,
        worker: usize,
        first: Option<(String, String)>,
    ) -> (Vec<String>, Vec<(String, String)>) {
        let places = folders.placeholders();
        let argv = command(self.config, self.submission);
        let argv = self.image.entrypoint().iter().chain(argv);
        let argv = argv.map(|word| places.fill(word));
        let card = self.limits.card(worker);
        let variables = variables(self.config, self.submission)
            .into_iter()
            .map(|(name, value)| (name, places.fill(&value)))
            .chain(card.map(|id| (CARDS_VARIABLE.to_owned(), id)))
            .chain(first);
        (
            self.arguments(folders, argv),
            self.passed_on(variables.collect()),
        )
    }

    /// The arguments for trying whether the container can be made at all: no image has this
    /// program, which is the first thing that is looked for in a container that stands.
    pub(crate) fn for_a_try(
        &self,
        request: &InteractionRequest<'_>,
    ) -> (Vec<String>, Vec<(String, String)>) {
        let argv = std::iter::once(NO_PROGRAM.to_owned());
        (
            self.arguments(&Folders::of_interaction(request), argv),
            self.passed_on(BTreeMap::new()),
        )
    }

    fn arguments(&self, folders: &Folders, argv: impl Iterator<Item = String>) -> Vec<String> {
        let mut words = containment(self.launcher, &self.config.network);
        if let Some(scratch) = self.scratch {
            words.push("--workdir".to_owned());
            words.push(scratch.to_string_lossy().into_owned());
        }
        // An image that was converted here sets its own home, and its own files are in it.
        let keeps_home = self
            .image
            .config
            .as_ref()
            .is_some_and(|config| config.runs_as_root());
        words.push("--no-mount".to_owned());
        words.push(
            if keeps_home {
                "home,bind-paths"
            } else {
                "bind-paths"
            }
            .to_owned(),
        );
        words.extend(self.limits.words());
        for (host, inside) in &folders.binds {
            words.push("--mount".to_owned());
            words.push(mount(host, inside));
        }
        words.push("--pwd".to_owned());
        words.push(self.image.workdir().to_owned());
        words.push(self.image.path.to_string_lossy().into_owned());
        words.extend(argv);
        words
    }

    /// The variables by which Apptainer is told those of the container. The image's own are told
    /// as well: Apptainer writes them into a script of the image, and not every value survives.
    fn passed_on(&self, own: BTreeMap<String, String>) -> Vec<(String, String)> {
        let image = self
            .image
            .config
            .iter()
            .flat_map(|config| &config.variables);
        let image = image.filter_map(|line| line.split_once('='));
        let mut all: BTreeMap<String, String> = image
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        all.extend(own);
        let prefix = self.launcher.variable_prefix;
        all.into_iter()
            // Apptainer refuses to be told this one.
            .filter(|(name, _)| name != "HOME")
            .map(|(name, value)| (format!("{prefix}{name}"), value))
            .collect()
    }
}

/// A program that is in no image.
pub(crate) const NO_PROGRAM: &str = "/segarena/no/such/program";

/// What takes the host away: `--compat` is `--containall --no-init --no-umask --no-eval
/// --writable-tmpfs`; its first process is the submission's own, with whose end all ends. Real root
/// is taken away from root as well.
pub(crate) fn containment(launcher: &Launcher, network: &str) -> Vec<String> {
    let mut words = vec!["-s", "exec", "--compat", "--cleanenv"];
    if launcher.is_root {
        words.extend(["--userns", "--no-privs"]);
    }
    if network != "host" {
        words.extend(["--net", "--network", network]);
    }
    words.into_iter().map(str::to_owned).collect()
}

/// A bind as `--mount` takes it: fields of CSV, so that a path may have colons and commas.
fn mount(host: &str, inside: &str) -> String {
    let source = format!("source={host}").replace('"', "\"\"");
    format!("type=bind,\"{source}\",destination={inside}")
}

/// What is run in a container.
pub(crate) fn command<'a>(config: &'a Config, submission: &'a Submission) -> &'a [String] {
    submission.source.container_command(&config.command)
}

/// The variables for a submission, its own before those of `[backend]`, with their placeholders.
pub(crate) fn variables(config: &Config, submission: &Submission) -> BTreeMap<String, String> {
    let mut variables = config.env.clone();
    variables.extend(submission.env.clone());
    variables
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use segarena_contract::{ImageFacts, Scope, SubmissionSource};

    use super::*;
    use crate::image::ImageConfig;

    fn words(image: Image, launcher: Launcher, limits: Limits, config: Config) -> Vec<String> {
        built(image, launcher, limits, config, for_interaction).0
    }

    fn built(
        image: Image,
        launcher: Launcher,
        limits: Limits,
        config: Config,
        build: impl Fn(&Exec<'_>) -> (Vec<String>, Vec<(String, String)>),
    ) -> (Vec<String>, Vec<(String, String)>) {
        let submission = Submission {
            name: "team".to_owned(),
            source: SubmissionSource::Image {
                reference: String::new(),
                argv: None,
            },
            env: [("CASE".to_owned(), "{case}".to_owned())].into(),
        };
        let exec = Exec {
            launcher: &launcher,
            image: &image,
            config: &config,
            limits: &limits,
            submission: &submission,
            scratch: Some(Path::new("/scratch")),
        };
        build(&exec)
    }

    fn for_interaction(exec: &Exec<'_>) -> (Vec<String>, Vec<(String, String)>) {
        exec.for_interaction(&InteractionRequest {
            run_id: "run",
            case: "a.npz",
            index: 1,
            inputs: Path::new("/work/a,b:c/inputs"),
            outputs: Path::new("/work/o\"o/outputs"),
            timeout: Duration::from_secs(1),
            log: Path::new("/log"),
            cancel: Default::default(),
            worker: 1,
        })
    }

    fn image() -> Image {
        Image {
            path: PathBuf::from("/images/x/rootfs"),
            config: Some(ImageConfig {
                facts: ImageFacts {
                    workdir: "/app".to_owned(),
                    entrypoint: vec!["/entry".to_owned()],
                    ..ImageFacts::default()
                },
                variables: vec![
                    "PATH=/opt/bin:/bin".to_owned(),
                    "ODD=a `b` \"c\"".to_owned(),
                    "HOME=/root".to_owned(),
                ],
            }),
        }
    }

    #[test]
    fn a_submission_is_contained_and_sees_its_two_folders() {
        let config = Config::default();
        let words = words(image(), Launcher::example(), Limits::default(), config);
        let expected = [
            "-s",
            "exec",
            "--compat",
            "--cleanenv",
            "--net",
            "--network",
            "none",
            "--workdir",
            "/scratch",
            "--no-mount",
            "home,bind-paths",
            "--mount",
            "type=bind,\"source=/work/a,b:c/inputs\",destination=/workspace/inputs",
            "--mount",
            "type=bind,\"source=/work/o\"\"o/outputs\",destination=/workspace/outputs",
            "--pwd",
            "/app",
            "/images/x/rootfs",
            "/entry",
            "/bin/bash",
            "-c",
            "sh predict.sh",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn limits_that_can_be_had_are_asked_for() {
        let limits = Limits {
            memory: Some(1 << 30),
            cpus: Some(1.5),
            pids: Some(64),
            cards: vec!["0".to_owned(), "3".to_owned()],
        };
        let launcher = Launcher {
            is_root: true,
            ..Launcher::example()
        };
        let (words, variables) = built(
            image(),
            launcher,
            limits,
            Config::default(),
            for_interaction,
        );
        let text = words.join(" ");
        assert!(
            text.contains("--memory 1073741824 --memory-swap 1073741824 --cpus 1.5"),
            "{text}"
        );
        assert!(text.contains("--pids-limit 64 --nv"), "{text}");
        assert!(text.contains("--userns --no-privs"), "{text}");
        // The second worker has the second card.
        let card = ("APPTAINERENV_CUDA_VISIBLE_DEVICES".into(), "3".into());
        assert!(variables.contains(&card), "{variables:?}");
    }

    #[test]
    fn the_images_variables_are_told_as_they_are_and_the_submissions_go_before() {
        let config = Config {
            env: [("PATH".to_owned(), "/mine".to_owned())].into(),
            ..Config::default()
        };
        let (_, variables) = built(
            image(),
            Launcher::example(),
            Limits::default(),
            config,
            for_interaction,
        );
        let expected = [
            ("APPTAINERENV_CASE", "a.npz"),
            ("APPTAINERENV_ODD", "a `b` \"c\""),
            ("APPTAINERENV_PATH", "/mine"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables, expected);
    }

    #[test]
    fn an_image_that_says_nothing_runs_in_the_challenges_folder() {
        let image = Image {
            path: PathBuf::from("/team.sif"),
            config: None,
        };
        let config = Config {
            network: "host".to_owned(),
            ..Config::default()
        };
        let text = words(image, Launcher::example(), Limits::default(), config).join(" ");
        assert!(
            text.contains("--pwd /workspace /team.sif /bin/bash"),
            "{text}"
        );
        assert!(text.contains("--no-mount bind-paths"), "{text}");
        assert!(!text.contains("--net"), "{text}");
    }

    #[test]
    fn a_container_for_a_run_has_one_mount_and_is_told_to_stay() {
        let cases = Path::new("/work/.worker-1");
        let folders = Folders::of_scope(Scope::Run { cases }).unwrap();
        // Whoever sets it otherwise has not asked to be kept warm.
        let config = Config {
            env: [(SERVE_VARIABLE.to_owned(), "0".to_owned())].into(),
            ..Config::default()
        };
        let limits = Limits {
            cards: vec!["0".to_owned(), "3".to_owned()],
            ..Limits::default()
        };
        let (words, variables) = built(image(), Launcher::example(), limits, config, |exec| {
            exec.to_be_kept_warm(&folders, 1)
        });
        let text = words.join(" ");
        let mount = "--mount type=bind,\"source=/work/.worker-1\",destination=/workspace/cases ";
        assert!(text.contains(mount), "{text}");
        assert_eq!(text.matches("--mount").count(), 1, "{text}");
        for (name, value) in [("SEGARENA_SERVE", "1"), ("CUDA_VISIBLE_DEVICES", "3")] {
            let told = (format!("APPTAINERENV_{name}"), value.to_owned());
            assert!(variables.contains(&told), "{variables:?}");
        }
    }
}
