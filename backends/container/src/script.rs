//! The challenge's script, `predict.sh`, and how a shell says that an image has none.

/// Whether a shell said in this output that the script is not there.
pub fn is_missing(stderr: &str) -> bool {
    let missing = ["No such file", "not found", "can't open", "cannot open"];
    let complains =
        |line: &str| line.contains("predict.sh") && missing.iter().any(|text| line.contains(text));
    stderr.lines().any(complains)
}

/// Adds what to do to a shell's complaint that the script is not there.
pub fn explain_missing(stderr: &mut String) {
    if is_missing(stderr) {
        stderr.push_str(
            "\nsegarena: the image has no predict.sh in its working folder: COPY it to WORKDIR \
             (the challenge's is /workspace), or set `command` for the submission\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_is_not_there_is_known_by_what_shells_say() {
        for said in [
            "sh: 0: cannot open predict.sh: No such file",
            "sh: can't open 'predict.sh'",
            "sh: predict.sh: No such file or directory",
        ] {
            assert!(is_missing(said), "{said}");
        }
        assert!(!is_missing("predict.sh: line 3: KeyError: clicks"));
        assert!(!is_missing("sh: other.sh: No such file or directory"));
    }
}
