//! What is said with a submission that is kept warm, as a state machine: its output in, answers
//! and log out. It knows no process, no clock and no file.

use segarena_contract::NoAnswer;

use crate::lines::Lines;
use crate::message::{Answer, Request, Said};

/// The conversation with one submission from its start to its end.
#[derive(Debug, Default)]
pub struct Conversation {
    state: State,
    lines: Lines,
}

#[derive(Debug, Default)]
enum State {
    /// It has not said that it is ready.
    #[default]
    Loading,
    /// It waits for a request.
    Waiting,
    /// It has a request.
    Asked { case: String, interaction: u64 },
    /// It has answered, which nobody has heard yet.
    Answered {
        answer: Answer,
        /// Whether it answered more than once: it is out of step then.
        again: bool,
    },
    /// Nothing that it says counts any more.
    Broken(NoAnswer),
}

impl Conversation {
    /// Takes bytes of its standard output; what of them is no answer goes to `log`.
    pub fn read(&mut self, bytes: &[u8], log: impl FnMut(&[u8])) {
        let Self { state, lines } = self;
        let hear = |line: &[u8]| {
            let said = Said::in_line(line);
            let is_answer = said.is_some();
            if let Some(said) = said {
                state.hear(said);
            }
            is_answer
        };
        lines.take(bytes, hear, log);
    }

    /// Notes that its standard output has ended; what had come of a line goes to `log`.
    pub fn end_of_output(&mut self, mut log: impl FnMut(&[u8])) {
        log(&self.lines.finish());
        if !matches!(self.state, State::Answered { .. } | State::Broken(_)) {
            self.state = State::Broken(NoAnswer::ClosedOutput);
        }
    }

    /// Whether it can be asked; `Err`: it never can again.
    ///
    /// # Errors
    /// How it broke the contract.
    pub fn is_ready(&self) -> Result<bool, NoAnswer> {
        match self.state {
            State::Waiting => Ok(true),
            State::Broken(why) => Err(why),
            State::Loading | State::Asked { .. } | State::Answered { .. } => Ok(false),
        }
    }

    /// Notes that it is asked this. To be said before the request is sent.
    pub fn ask(&mut self, request: &Request<'_>) {
        if matches!(self.state, State::Waiting) {
            self.state = State::Asked {
                case: request.case.to_owned(),
                interaction: request.interaction as u64,
            };
        }
    }

    /// Its answer, once there is one; then it can be asked again.
    ///
    /// # Errors
    /// How it broke the contract.
    pub fn take_answer(&mut self) -> Option<Result<Answer, NoAnswer>> {
        match std::mem::replace(&mut self.state, State::Waiting) {
            State::Answered { answer, again } => {
                if again {
                    self.state = State::Broken(NoAnswer::OtherInteraction);
                }
                Some(Ok(answer))
            }
            State::Broken(why) => {
                self.state = State::Broken(why);
                Some(Err(why))
            }
            unanswered => {
                self.state = unanswered;
                None
            }
        }
    }
}

impl State {
    fn hear(&mut self, said: Said) {
        *self = match (std::mem::take(self), said) {
            (Self::Loading, Said::Ready) => Self::Waiting,
            (Self::Loading, Said::Answered { .. }) => Self::Broken(NoAnswer::AnsweredBeforeReady),
            // Once more says nothing new.
            (state, Said::Ready) => state,
            (
                Self::Asked { case, interaction },
                Said::Answered {
                    answer,
                    case: of_case,
                    interaction: of_interaction,
                },
            ) => {
                let is_this = of_case.is_none_or(|of| of == case)
                    && of_interaction.is_none_or(|of| of == interaction);
                if is_this {
                    Self::Answered {
                        answer,
                        again: false,
                    }
                } else {
                    Self::Broken(NoAnswer::OtherInteraction)
                }
            }
            // The first answer counts; whose the further ones are nobody knows.
            (Self::Answered { answer, .. }, Said::Answered { .. }) => Self::Answered {
                answer,
                again: true,
            },
            (Self::Waiting, Said::Answered { .. }) => Self::Broken(NoAnswer::OtherInteraction),
            (Self::Broken(why), _) => Self::Broken(why),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &[u8] = b"{\"segarena\": \"ready\"}\n";
    const DONE: &[u8] = b"\n{\"segarena\": \"done\"}\n";

    fn request(interaction: usize) -> Request<'static> {
        Request {
            case: "x.npz",
            interaction,
            inputs: "i",
            outputs: "o",
        }
    }

    /// A conversation that has heard this, and its log.
    fn after(heard: &[&[u8]]) -> (Conversation, Vec<u8>) {
        let (mut conversation, mut log) = (Conversation::default(), Vec::new());
        for bytes in heard {
            conversation.read(bytes, |bytes| log.extend_from_slice(bytes));
        }
        (conversation, log)
    }

    #[test]
    fn it_is_ready_then_asked_then_answers_again_and_again() {
        let (mut it, log) = after(&[b"loading", b" weights\n", &READY[..9]]);
        assert_eq!(log, b"loading weights\n");
        assert_eq!(it.is_ready(), Ok(false));
        it.read(&READY[9..], |_| {});
        for interaction in 1..4 {
            assert_eq!(it.is_ready(), Ok(true));
            it.ask(&request(interaction));
            assert_eq!(it.take_answer(), None);
            it.read(b"50%", |_| {});
            it.read(DONE, |_| {});
            assert_eq!(it.take_answer(), Some(Ok(Answer::Done)));
        }
    }

    #[test]
    fn an_answer_that_nobody_asked_for_ends_the_conversation() {
        let broken = Some(Err(NoAnswer::OtherInteraction));
        let (mut unasked, _) = after(&[READY, DONE]);
        assert_eq!(unasked.is_ready(), Err(NoAnswer::OtherInteraction));
        assert_eq!(unasked.take_answer(), broken);

        let (mut twice, _) = after(&[READY]);
        twice.ask(&request(1));
        twice.read(&[DONE, DONE].concat(), |_| {});
        assert_eq!(twice.take_answer(), Some(Ok(Answer::Done)));
        assert_eq!(twice.is_ready(), Err(NoAnswer::OtherInteraction));

        let (mut early, _) = after(&[DONE]);
        assert_eq!(
            early.take_answer(),
            Some(Err(NoAnswer::AnsweredBeforeReady))
        );
    }

    #[test]
    fn an_answer_that_names_its_interaction_must_name_the_one_asked_for() {
        for (named, is_right) in [
            (r#""interaction": 2, "case": "x.npz""#, true),
            (r#""interaction": 1"#, false),
            (r#""case": "y.npz""#, false),
        ] {
            let (mut it, _) = after(&[READY]);
            it.ask(&request(2));
            let line = format!("{{\"segarena\": \"done\", {named}}}\n");
            it.read(line.as_bytes(), |_| {});
            let expected = match is_right {
                true => Ok(Answer::Done),
                false => Err(NoAnswer::OtherInteraction),
            };
            assert_eq!(it.take_answer(), Some(expected), "{named}");
        }
    }

    #[test]
    fn the_end_of_its_output_takes_no_answer_back() {
        let (mut it, _) = after(&[READY]);
        it.ask(&request(1));
        it.read(&[DONE, b"{\"cut"].concat(), |_| {});
        let mut log = Vec::new();
        it.end_of_output(|bytes| log.extend_from_slice(bytes));
        assert_eq!(log, b"{\"cut");
        assert_eq!(it.take_answer(), Some(Ok(Answer::Done)));
        it.end_of_output(|_| {});
        assert_eq!(it.is_ready(), Err(NoAnswer::ClosedOutput));
    }
}
