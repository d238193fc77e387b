//! The lines that are exchanged with a submission that is kept warm.

use serde::{Deserialize, Serialize};

/// An interaction that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The case's file name, `CASE.npz`.
    pub case: &'a str,
    /// The interaction's number, from 1.
    pub interaction: usize,
    /// The inputs folder as the submission sees it.
    pub inputs: &'a str,
    /// The outputs folder as the submission sees it.
    pub outputs: &'a str,
}

impl Request<'_> {
    /// The request as a line for its standard input, with the line break.
    pub fn to_line(&self) -> Vec<u8> {
        let line = serde_json::json!({
            "segarena": "infer",
            "case": self.case,
            "interaction": self.interaction,
            "inputs": self.inputs,
            "outputs": self.outputs,
        });
        format!("{line}\n").into_bytes()
    }
}

/// What a submission answers to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The prediction is written.
    Done,
    /// There is none, and this is why.
    Failed(String),
}

/// A line of a submission's that is meant for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It has loaded what it needs.
    Ready,
    /// It has answered.
    Answered {
        answer: Answer,
        /// For which case, where it says so.
        case: Option<String>,
        /// For which interaction, where it says so.
        interaction: Option<u64>,
    },
}

/// A line as it is written; unknown keys are passed over.
#[derive(Deserialize)]
struct Line {
    segarena: Word,
    reason: Option<String>,
    case: Option<String>,
    interaction: Option<u64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Ready,
    Done,
    Failed,
}

impl Said {
    /// What a whole line says; `None`: it is log.
    pub(crate) fn in_line(line: &[u8]) -> Option<Self> {
        let Line {
            segarena,
            reason,
            case,
            interaction,
        } = serde_json::from_slice(line).ok()?;
        let answer = match segarena {
            Word::Ready => return Some(Self::Ready),
            Word::Done => Answer::Done,
            Word::Failed => Answer::Failed(shortened(reason.unwrap_or_default())),
        };
        Some(Self::Answered {
            answer,
            case,
            interaction,
        })
    }
}

/// The longest reason that is kept, in bytes.
const LONGEST_REASON: usize = 1000;

fn shortened(mut reason: String) -> String {
    if reason.len() > LONGEST_REASON {
        let end = (0..=LONGEST_REASON).rfind(|&end| reason.is_char_boundary(end));
        reason.truncate(end.unwrap_or(0));
        reason.push('…');
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_one_line_whatever_is_in_it() {
        let request = Request {
            case: "a\n\"b.npz",
            interaction: 2,
            inputs: "/workspace/inputs",
            outputs: "/workspace/outputs",
        };
        let line = request.to_line();
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["segarena"], "infer");
        assert_eq!(read["case"], request.case);
        assert_eq!(read["interaction"], 2);
    }

    #[test]
    fn answers_are_told_from_log() {
        assert_eq!(
            Said::in_line(br#" {"segarena": "ready", "new": [1]} "#),
            Some(Said::Ready)
        );
        let failed = Said::in_line(br#"{"reason": "no", "segarena": "failed"}"#);
        let Some(Said::Answered { answer, .. }) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(answer, Answer::Failed("no".to_owned()));
        for log in [
            &b"done"[..],
            b"",
            br#"{"segarena": "done""#,
            br#"{"segarena": "infer"}"#,
            br#"{"segarena": 1}"#,
            b"{\"segarena\": \"done\xff\"}",
            br#"["segarena"]"#,
        ] {
            assert_eq!(Said::in_line(log), None);
        }
    }

    #[test]
    fn a_reason_is_cut_between_letters() {
        let cut = shortened("é".repeat(1000));
        assert!(cut.len() < 1010 && cut.ends_with('…'), "{}", cut.len());
    }
}
