//! The machine that an interaction ran on, as far as running times depend on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use segarena_formats::temporary::host_name;
use serde::{Deserialize, Deserializer, Serialize};

use crate::backend::Cards;

/// A machine, and what it computes with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// The processor's model, where the kernel tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// The graphics cards' model, where there are any; several, if they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
}

impl Machine {
    /// This machine, with those of its graphics cards that this process may use. Looked at once.
    pub fn here() -> Arc<Self> {
        static HERE: OnceLock<Arc<Machine>> = OnceLock::new();
        let look = || {
            Arc::new(Self {
                host: host_name(),
                cpu: std::fs::read_to_string("/proc/cpuinfo")
                    .ok()
                    .and_then(|text| cpu_model(&text)),
                gpu: models(&described_cards(), &Cards::here()),
            })
        };
        Arc::clone(HERE.get_or_init(look))
    }
}

/// Reads a machine so that all records of one share one in memory: a run has very many.
pub(crate) fn shared<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Arc<Machine>>, D::Error> {
    static KNOWN: Mutex<BTreeSet<Arc<Machine>>> = Mutex::new(BTreeSet::new());
    let Some(machine) = Option::<Machine>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = known.get(&machine) {
        return Ok(Some(Arc::clone(known)));
    }
    let machine = Arc::new(machine);
    known.insert(Arc::clone(&machine));
    Ok(Some(machine))
}

/// The processor's model in `/proc/cpuinfo`, without the blanks that fill it up.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let mut lines = cpuinfo.lines();
    let name = lines.find_map(|line| line.strip_prefix("model name")?.split_once(':'))?;
    let words: Vec<&str> = name.1.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// A graphics card as the driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Card {
    number: String,
    uuid: String,
    model: String,
}

/// The models of the cards that this process may use; of all of them where they can't be told
/// apart.
fn models(cards: &[Card], usable: &Cards) -> Option<String> {
    if usable.are_given() && usable.machine().is_empty() {
        return None;
    }
    let is_usable = |card: &&Card| {
        let mut ids = usable.machine().iter();
        ids.any(|id| *id == card.number || (!id.is_empty() && card.uuid.starts_with(id.as_str())))
    };
    let given: BTreeSet<&str> = cards.iter().filter(is_usable).map(|c| &*c.model).collect();
    let all: BTreeSet<&str> = cards.iter().map(|card| &*card.model).collect();
    let models = if given.is_empty() { all } else { given };
    let models: Vec<&str> = models.into_iter().collect();
    (!models.is_empty()).then(|| models.join(", "))
}

/// The cards of this machine: as the driver tells in `/proc` or, where it does not (in a virtual
/// machine of Windows, for one), as its own program does.
fn described_cards() -> Vec<Card> {
    let folders = std::fs::read_dir(Path::new("/proc/driver/nvidia/gpus")).into_iter();
    let texts = folders.flatten().flatten();
    let texts = texts.filter_map(|e| std::fs::read_to_string(e.path().join("information")).ok());
    let cards: Vec<Card> = texts.filter_map(|text| described_in(&text)).collect();
    match cards.is_empty() {
        true => told_by_program().unwrap_or_default(),
        false => cards,
    }
}

/// A card by its `information` in `/proc`.
fn described_in(text: &str) -> Option<Card> {
    let field = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(|value| value.trim().to_owned())
    };
    Some(Card {
        model: field("Model").filter(|model| !model.is_empty())?,
        number: field("Device Minor").unwrap_or_default(),
        uuid: field("GPU UUID").unwrap_or_default(),
    })
}

/// So long `nvidia-smi` may take: with a broken driver it never ends.
const LONGEST: Duration = Duration::from_secs(10);

fn told_by_program() -> Option<Vec<Card>> {
    let mut program = Command::new("nvidia-smi")
        .args(["--query-gpu=index,uuid,name", "--format=csv,noheader"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    loop {
        match program.try_wait() {
            Ok(None) if begun.elapsed() < LONGEST => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(Some(status)) if status.success() => break,
            _ => {
                // Gone already, or it goes now.
                let _ = program.kill();
                let _ = program.wait();
                return None;
            }
        }
    }
    // What it says of a machine's cards fits into the pipe.
    let told = program.wait_with_output().ok()?;
    Some(told_in(&String::from_utf8_lossy(&told.stdout)))
}

/// Cards by lines of `index, uuid, name`.
fn told_in(text: &str) -> Vec<Card> {
    let card = |line: &str| {
        let mut fields = line.splitn(3, ',').map(str::trim);
        Some(Card {
            number: fields.next()?.to_owned(),
            uuid: fields.next()?.to_owned(),
            model: fields.next().filter(|name| !name.is_empty())?.to_owned(),
        })
    };
    text.lines().filter_map(card).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_known_by_its_model() {
        let text = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC  9B45   \nstepping\t: 1\n";
        assert_eq!(cpu_model(text).as_deref(), Some("AMD EPYC 9B45"));
        assert_eq!(cpu_model("processor : 0\nCPU part : 0xd0c\n"), None);
    }

    #[test]
    fn a_card_is_known_by_what_the_driver_or_its_program_tells() {
        let text = "Model: \t\t NVIDIA A100-SXM4-40GB\nIRQ:   \t\t 271\n\
                    GPU UUID: \t GPU-5a1b\nDevice Minor: \t 2\n";
        let card = described_in(text).unwrap();
        assert_eq!(card.model, "NVIDIA A100-SXM4-40GB");
        assert_eq!((&*card.number, &*card.uuid), ("2", "GPU-5a1b"));
        assert_eq!(described_in("IRQ: 1\n"), None);
        let told = told_in("2, GPU-5a1b, NVIDIA A100-SXM4-40GB\nno devices\n");
        assert_eq!(told, [card]);
    }

    #[test]
    fn of_unlike_cards_only_those_of_the_job_are_named() {
        let card = |number: &str, uuid: &str, model: &str| Card {
            number: number.to_owned(),
            uuid: uuid.to_owned(),
            model: model.to_owned(),
        };
        let cards = [card("0", "GPU-a", "T4"), card("1", "GPU-b", "A100")];
        let all = models(&cards, &Cards::default());
        assert_eq!(all.as_deref(), Some("A100, T4"));
        assert_eq!(models(&[], &Cards::default()), None);
    }

    #[test]
    fn this_machine_has_a_name_and_is_looked_at_once() {
        let here = Machine::here();
        assert!(!here.host.is_empty());
        assert!(Arc::ptr_eq(&here, &Machine::here()));
    }
}
