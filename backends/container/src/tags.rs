//! Which of the images that an archive names is run.

/// The challenge's name for a team's image: the team up to its first underscore, `:latest`.
pub fn conventional_tag(team: &str) -> String {
    format!(
        "{}:latest",
        team.split('_').next().unwrap_or(team).to_lowercase()
    )
}

/// Of the images that an engine says it loaded, the one to run: the only one; among several the
/// challenge's convention decides, else the first. With a remark where there was a choice.
pub fn choose(team: &str, loaded: &[String]) -> Option<(String, Option<String>)> {
    let wanted = conventional_tag(team);
    // Podman puts a registry before a bare name.
    let is_wanted = |tag: &&String| **tag == wanted || tag.ends_with(&format!("/{wanted}"));
    match loaded {
        [] => None,
        [only] => Some((only.clone(), None)),
        [first, ..] => {
            let chosen = loaded.iter().find(is_wanted).unwrap_or(first);
            let remark = format!(
                "the archive names {} images ({}); {chosen} is run",
                loaded.len(),
                loaded.join(", ")
            );
            Some((chosen.clone(), Some(remark)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(team: &str, loaded: &[&str]) -> Option<String> {
        let loaded: Vec<String> = loaded.iter().map(|&tag| tag.to_owned()).collect();
        choose(team, &loaded).map(|(tag, _)| tag)
    }

    #[test]
    fn an_archives_only_image_is_run_whatever_its_name() {
        assert_eq!(
            run("yiooo_v2", &["yiooo_coreset:latest"]),
            Some("yiooo_coreset:latest".into())
        );
    }

    #[test]
    fn among_several_the_convention_decides_and_else_the_first() {
        let several = ["other:1", "team:latest", "team:2"];
        assert_eq!(run("team_final", &several), Some("team:latest".into()));
        assert_eq!(run("nobody", &several), Some("other:1".into()));
        assert_eq!(
            run("team", &["a:1", "localhost/team:latest"]),
            Some("localhost/team:latest".into())
        );
    }

    #[test]
    fn an_archive_without_an_image_has_nothing_to_run() {
        assert_eq!(run("team", &[]), None);
    }
}
