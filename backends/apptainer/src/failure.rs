//! What Apptainer says when it could not run a program, told apart from what a program says.

/// The exit status with which Apptainer ends for reasons of its own; a submission may end so too.
pub(crate) const FATAL: i32 = 255;

/// The words after the last `FATAL:`.
pub(crate) fn fatal_words(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().rev();
    lines.find_map(|line| Some(line.strip_prefix("FATAL:")?.trim().to_owned()))
}

/// Whether a container stood and only this program was not in it.
pub(crate) fn looked_for_a_program(stderr: &str, program: &str) -> bool {
    fatal_words(stderr).is_some_and(|words| words.contains(program) && is_about_a_program(&words))
}

/// Whether it is the program that could not be run, as a shell would say with status 127.
pub(crate) fn is_about_a_program(words: &str) -> bool {
    let ends_of_complaints = [
        "no such file or directory",
        "executable file not found in $PATH",
    ];
    let is_its_own =
        words.starts_with("stat ") || words.starts_with('"') || words.starts_with("exec ");
    is_its_own && ends_of_complaints.iter().any(|end| words.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_from_a_container_that_does_not_stand() {
        for said in [
            "FATAL:   stat /nowhere: no such file or directory\n",
            "FATAL:   \"/nowhere\": executable file not found in $PATH\n",
        ] {
            assert!(looked_for_a_program(said, "/nowhere"), "{said}");
            assert!(!looked_for_a_program(said, "/elsewhere"), "{said}");
        }
        for said in [
            "",
            "stat /nowhere: no such file or directory",
            "FATAL:   container creation failed: mount /nowhere: no such file or directory",
        ] {
            assert!(!looked_for_a_program(said, "/nowhere"), "{said}");
        }
    }

    #[test]
    fn the_last_fatal_words_are_apptainers_own() {
        let said = "FATAL: earlier\nsome words\nFATAL:   container creation failed: x\n";
        assert_eq!(fatal_words(said).unwrap(), "container creation failed: x");
    }
}
