//! What to say of an image: its name, its user, where it looks for its script.

use segarena_container::script::is_missing;
use segarena_container::tags::conventional_tag;
use segarena_core::backend::ImageFacts;

use super::Check;
use super::findings::ran;
use super::trial::Tried;

/// What the challenge's naming rule would have run.
pub(super) fn name(submission: &str, image: &ImageFacts) -> Check {
    let image = &image.reference;
    let wanted = conventional_tag(submission);
    // Engines put a registry before a bare name.
    if *image == wanted || image.ends_with(&format!("/{wanted}")) {
        let seen = format!("the challenge's rule runs {wanted}, which is in the archive");
        return Check::ok("name", seen);
    }
    let seen = format!("the challenge's rule runs {wanted}, and the archive names {image}");
    Check::warning("name", seen).advise(format!(
        "docker tag {image} {wanted}, and save that; segarena runs what the archive names"
    ))
}

/// User, architecture, working folder, entry point.
pub(super) fn image(image: &ImageFacts) -> Vec<Check> {
    let architecture = match image.architecture.as_str() {
        "" => "unknown",
        known => known,
    };
    let mut checks = vec![Check::ok("architecture", architecture)];
    checks.push(match image.user.as_str() {
        "" => Check::ok("user", "root"),
        root @ ("root" | "0" | "0:0" | "root:root") => Check::ok("user", root),
        user => Check::warning("user", user).advise(
            "the challenge's two folders belong to root: without USER in the Dockerfile it is \
             sure that they can be written",
        ),
    });
    checks.push(match image.workdir.as_str() {
        "" | "/" => Check::warning("working folder", "/ (the image sets none)")
            .advise("predict.sh is looked for there: set WORKDIR /workspace and COPY it there"),
        folder => Check::ok("working folder", folder),
    });
    checks.push(if image.entrypoint.is_empty() {
        Check::ok("entry point", "none: the challenge's command is run itself")
    } else {
        Check::warning("entry point", image.entrypoint.join(" ")).advise(
            "it gets the challenge's command, /bin/bash -c \"sh predict.sh\", as arguments; \
             without ENTRYPOINT that command is run",
        )
    });
    checks
}

/// Whether `predict.sh` was there to be run, by what the shell said.
pub(super) fn script(tried: &Tried, image: &ImageFacts) -> Option<Check> {
    let first = ran(tried).next()?;
    if !image.entrypoint.is_empty() {
        return None;
    }
    let folder = match image.workdir.as_str() {
        "" => "/",
        folder => folder,
    };
    let has_shell = !(first.stderr_tail.contains("/bin/bash") && first.outcome.is_failure());
    Some(if is_missing(&first.stderr_tail) {
        Check::failed("predict.sh", format!("not in {folder}"))
            .advise("COPY predict.sh to the folder that WORKDIR names")
    } else if !has_shell && first.seconds < 5.0 {
        Check::warning("predict.sh", "bash complained, see below").advise(
            "the challenge runs /bin/bash -c \"sh predict.sh\": the image needs bash and sh",
        )
    } else {
        Check::ok("predict.sh", format!("found in {folder}"))
    })
}

#[cfg(test)]
mod tests {
    use segarena_core::record::{InteractionRecord, Outcome};

    use super::*;
    use crate::validate::Verdict;
    use crate::validate::trial::TriedCase;

    #[test]
    fn the_challenges_rule_is_held_against_what_the_archive_names() {
        let verdict = |team, image: &str| {
            let facts = ImageFacts {
                reference: image.to_owned(),
                ..ImageFacts::default()
            };
            name(team, &facts).verdict
        };
        assert_eq!(verdict("nora_v2", "nora:latest"), Verdict::Ok);
        // Podman puts a registry before a bare name.
        assert_eq!(verdict("nora_v2", "localhost/nora:latest"), Verdict::Ok);
        assert_eq!(verdict("nora_v2", "nora_v2:latest"), Verdict::Warning);
        assert_eq!(verdict("segvol", "segvol:e2000"), Verdict::Warning);
    }

    #[test]
    fn what_real_images_do_differently_is_pointed_out() {
        let unusual = ImageFacts {
            architecture: "amd64".to_owned(),
            user: "1000".to_owned(),
            workdir: "/".to_owned(),
            entrypoint: ["python3", "infer.py"].map(str::to_owned).to_vec(),
            ..ImageFacts::default()
        };
        let checks = image(&unusual);
        let warned = checks
            .iter()
            .filter(|check| check.verdict == Verdict::Warning);
        let names: Vec<&str> = warned.map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["user", "working folder", "entry point"]);
        assert!(
            checks
                .iter()
                .all(|c| c.verdict == Verdict::Ok || c.advice.is_some())
        );
    }

    #[test]
    fn a_script_that_is_not_there_is_known_by_what_the_shell_said() {
        let said = |text: &str| {
            let mut record = InteractionRecord::skipped(&[1]);
            record.outcome = Outcome::Exit {
                exit_code: 2,
                signal: None,
            };
            record.stderr_tail = text.into();
            let case = TriedCase {
                interactions: vec![record],
                ..TriedCase::default()
            };
            let tried = Tried {
                cases: vec![case],
                ..Tried::default()
            };
            let facts = ImageFacts {
                workdir: "/opt".to_owned(),
                ..ImageFacts::default()
            };
            script(&tried, &facts).unwrap().verdict
        };
        let missing = "sh: 0: cannot open predict.sh: No such file";
        assert_eq!(said(missing), Verdict::Failed);
        assert_eq!(said("exec: \"/bin/bash\": no such file"), Verdict::Warning);
        assert_eq!(said("KeyError: clicks"), Verdict::Ok);
    }
}
