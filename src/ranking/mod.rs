//! Who is first, and how sure that is: columns, groups of cases, two schemes, and what a ranking
//! hangs on.

mod columns;
mod field;
mod groups;
mod settings;
mod stability;

pub(crate) use columns::{Column, columns_of, scores_of};
pub(crate) use field::{Counted, Entrant, Field, Frequencies, Missing};
pub(crate) use groups::Groups;
pub(crate) use settings::{Scheme, Settings};
pub(crate) use stability::{LeftOut, left_out};
