//! The graphics cards that this process may use: those that a scheduler has given its job or,
//! where none has, those that the driver of this machine tells of.

use std::path::Path;

/// Graphics cards in order, by number or UUID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cards {
    /// As processes of this job name them.
    own: Vec<String>,
    /// As the machine names them: an engine that is no process of the job counts all its cards.
    machine: Vec<String>,
    is_given: bool,
}

/// What a process is told of its cards, and tells its children.
pub const CARDS_VARIABLE: &str = "CUDA_VISIBLE_DEVICES";

impl Cards {
    /// The cards that this process may use. `CUDA_VISIBLE_DEVICES` names them where it is set;
    /// Slurm's own variables name the same ones by the machine's numbers, from which those of the
    /// job differ where control groups hide the other cards.
    pub fn here() -> Self {
        Self::of(|name| std::env::var(name).ok(), &driver_cards())
    }

    fn of(variable: impl Fn(&str) -> Option<String>, driver: &[String]) -> Self {
        let own = variable(CARDS_VARIABLE).map(|text| ids(&text));
        // Those of a step are among those of its job.
        let slurm = ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"];
        let slurm = slurm.into_iter().find_map(&variable).map(|text| ids(&text));
        match (own, slurm) {
            (Some(own), Some(machine)) if own.len() == machine.len() => Self {
                own,
                machine,
                is_given: true,
            },
            // Somebody has chosen otherwise since.
            (Some(cards), _) | (None, Some(cards)) => Self {
                own: cards.clone(),
                machine: cards,
                is_given: true,
            },
            (None, None) => Self {
                own: driver.to_vec(),
                machine: driver.to_vec(),
                is_given: false,
            },
        }
    }

    /// The same, where a card is known to be there: one, if nobody tells of any.
    #[must_use]
    pub fn at_least_one(self) -> Self {
        let is_untold = !self.is_given && self.own.is_empty();
        match is_untold {
            true => Self {
                own: vec!["0".to_owned()],
                machine: vec!["0".to_owned()],
                ..self
            },
            false => self,
        }
    }

    /// Whether they were given to this process, which is not to take others.
    pub fn are_given(&self) -> bool {
        self.is_given
    }

    /// As processes of this job name them.
    pub fn own(&self) -> &[String] {
        &self.own
    }

    /// As the machine names them.
    pub fn machine(&self) -> &[String] {
        &self.machine
    }
}

/// The ids of a list with commas. As for CUDA, it ends at the first that is none (`-1`, and
/// `NoDevFiles`, which Slurm gives to a job without cards).
fn ids(text: &str) -> Vec<String> {
    let ids = text.split(',').map(str::trim);
    let ids = ids.take_while(|id| !matches!(*id, "" | "-1" | "NoDevFiles"));
    ids.map(str::to_owned).collect()
}

/// The cards that NVIDIA's driver tells of, by number.
fn driver_cards() -> Vec<String> {
    let cards = std::fs::read_dir(Path::new("/proc/driver/nvidia/gpus")).into_iter();
    let count = cards.flatten().count();
    (0..count).map(|number| number.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(variables: &[(&str, &str)], driver: &[&str]) -> Cards {
        let value = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let driver: Vec<String> = driver.iter().map(|&id| id.to_owned()).collect();
        Cards::of(value, &driver)
    }

    #[test]
    fn a_job_has_the_cards_that_it_was_given_by_its_own_numbers_and_the_machines() {
        let visible = ("CUDA_VISIBLE_DEVICES", "0,1");
        let of_job = cards(&[visible, ("SLURM_JOB_GPUS", "2,3")], &["0", "1", "2", "3"]);
        assert_eq!(of_job.own(), ["0", "1"]);
        assert_eq!(of_job.machine(), ["2", "3"]);
        assert!(of_job.are_given());
        // Those of a step go before those of its whole job.
        let step = [
            ("CUDA_VISIBLE_DEVICES", "0"),
            ("SLURM_JOB_GPUS", "2,3"),
            ("SLURM_STEP_GPUS", "3"),
        ];
        assert_eq!(cards(&step, &[]).machine(), ["3"]);
        // Somebody has left one of the job's out.
        let fewer = cards(
            &[("CUDA_VISIBLE_DEVICES", "1"), ("SLURM_JOB_GPUS", "0,1")],
            &[],
        );
        assert_eq!(
            (fewer.own(), fewer.machine()),
            (fewer.machine(), fewer.own())
        );
        assert_eq!(fewer.own(), ["1"]);
        assert_eq!(cards(&[("SLURM_JOB_GPUS", "5")], &["0"]).own(), ["5"]);
    }

    #[test]
    fn a_job_without_cards_has_none_whatever_the_machine_has() {
        for none in ["", "-1", "NoDevFiles"] {
            let found = cards(&[("CUDA_VISIBLE_DEVICES", none)], &["0", "1"]);
            assert!(found.own().is_empty() && found.are_given(), "{none:?}");
            assert!(found.at_least_one().own().is_empty(), "{none:?}");
        }
    }

    #[test]
    fn outside_a_job_there_are_the_drivers_and_one_where_it_does_not_tell() {
        let found = cards(&[], &["0", "1"]);
        assert_eq!(found.machine(), ["0", "1"]);
        assert!(!found.are_given());
        assert_eq!(cards(&[], &[]).at_least_one().own(), ["0"]);
        let uuids = cards(&[("CUDA_VISIBLE_DEVICES", "GPU-5a, MIG-6b")], &[]);
        assert_eq!(uuids.own(), ["GPU-5a", "MIG-6b"]);
    }
}
