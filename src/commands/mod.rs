//! The subcommands, one file each.

mod click;
mod compare;
mod completions;
mod demo;
mod doctor;
mod evaluate;
mod export;
mod gather;
mod import;
mod init;
mod new;
mod replay;
mod report;
mod rescore;
mod score;
mod slurm;
mod validate;

pub(crate) use click::click;
pub(crate) use compare::compare;
pub(crate) use completions::{completions, man};
pub(crate) use demo::demo;
pub(crate) use doctor::doctor;
pub(crate) use evaluate::evaluate;
pub(crate) use export::export;
pub(crate) use gather::gather;
pub(crate) use import::import;
pub(crate) use init::init;
pub(crate) use new::new;
pub(crate) use replay::replay;
pub(crate) use report::report;
pub(crate) use rescore::rescore;
pub(crate) use score::score;
pub(crate) use slurm::slurm;
pub(crate) use validate::validate;
