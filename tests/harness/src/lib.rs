//! Tests that need something a machine may lack: an engine, Python, a browser, a C compiler.
//!
//! Where it is missing such a test is ignored, and its line says why; where `SEGARENA_REQUIRE`
//! names what is missing (`SEGARENA_REQUIRE=docker,python`), the test fails instead.

use std::process::ExitCode;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

/// Something that a test needs and a machine may lack.
pub struct Requirement {
    name: &'static str,
    look: fn() -> Result<(), String>,
    looked: OnceLock<Result<(), String>>,
}

impl Requirement {
    /// `look` says why it is not there and what to do; `name` is what `SEGARENA_REQUIRE` calls it.
    pub const fn new(name: &'static str, look: fn() -> Result<(), String>) -> Self {
        Self {
            name,
            look,
            looked: OnceLock::new(),
        }
    }

    /// Whether it is there. It is looked for once.
    pub fn is_there(&self) -> bool {
        self.looked().is_ok()
    }

    fn looked(&self) -> &Result<(), String> {
        self.looked.get_or_init(self.look)
    }

    fn is_demanded(&self) -> bool {
        let demanded = std::env::var("SEGARENA_REQUIRE").unwrap_or_default();
        demanded.split([',', ' ']).any(|name| name == self.name)
    }
}

/// The tests of one program, which has `harness = false`.
#[derive(Default)]
pub struct Tests {
    tests: Vec<Test>,
    threads: Option<usize>,
}

struct Test {
    name: String,
    needs: Vec<&'static Requirement>,
    run: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

impl Tests {
    /// So many tests run at a time, unless the command line says otherwise; by default as many as
    /// there are processors.
    pub fn at_a_time(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Adds tests that fail by a panic; [`tests!`] lists them.
    pub fn with<const N: usize>(
        mut self,
        needs: &[&'static Requirement],
        tests: [(&str, fn()); N],
    ) -> Self {
        for (name, test) in tests {
            self = self.with_one(name.to_owned(), needs, move || {
                test();
                Ok(())
            });
        }
        self
    }

    /// Adds a test that fails by a panic or with a reason.
    pub fn with_one(
        mut self,
        name: String,
        needs: &[&'static Requirement],
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Self {
        self.tests.push(Test {
            name,
            needs: needs.to_vec(),
            run: Box::new(run),
        });
        self
    }

    /// Runs what the command line asks for, as `cargo test` and `cargo nextest` give it.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = arguments.test_threads.or(self.threads);
        // A flag has no reason, so it is used only where somebody asks which tests have it.
        let is_asked_for_flags = arguments.list || arguments.ignored || arguments.include_ignored;
        let trial = if is_asked_for_flags {
            Test::with_flag
        } else {
            Test::with_reason
        };
        let trials = self.tests.into_iter().map(trial).collect();
        libtest_mimic::run(&arguments, trials).exit_code()
    }
}

impl Test {
    fn with_flag(self) -> Trial {
        let is_ignored = matches!(self.verdict(), Verdict::Ignore(_));
        Trial::test(self.name, move || (self.run)().map_err(Failed::from))
            .with_ignored_flag(is_ignored)
    }

    fn with_reason(self) -> Trial {
        Trial::ignorable_test(self.name.clone(), move || match self.verdict() {
            Verdict::Run => {
                (self.run)()?;
                Ok(Completion::Completed)
            }
            Verdict::Ignore(reason) => Ok(Completion::ignored_with(reason)),
            Verdict::Fail(reason) => Err(Failed::from(reason)),
        })
    }

    fn verdict(&self) -> Verdict {
        let missing = self.needs.iter().find_map(|need| {
            let reason = need.looked().as_ref().err()?;
            Some((need, reason))
        });
        match missing {
            None => Verdict::Run,
            Some((need, reason)) if need.is_demanded() => Verdict::Fail(format!(
                "SEGARENA_REQUIRE names {}, and: {reason}",
                need.name
            )),
            Some((_, reason)) => Verdict::Ignore(reason.clone()),
        }
    }
}

enum Verdict {
    Run,
    Ignore(String),
    Fail(String),
}

/// The tests of these names, `module::test`, for [`Tests::with`].
#[macro_export]
macro_rules! tests {
    ($($module:ident::$test:ident),* $(,)?) => {
        [$((concat!(stringify!($module), "::", stringify!($test)), $module::$test as fn())),*]
    };
}
