//! A verdict for every clause of the CNI specification, for any plugin, which is a black box: a program, an environment, standard input.
//!
//! [`run`] looks at the program (`subject`), starts a bed for each clause (`bench`: a process in namespaces of its own), and keeps what is
//! said (`verdict`). A clause (`clauses`, and `damage` for the table of damages) is a function over a bed: it makes containers, calls the
//! plugin (`call`), compares what the node has (`ledger`), and leaves findings. `report` only reads the outcome.
pub mod bench;
pub mod call;
mod clause;
pub mod clauses;
mod conflist;
pub mod damage;
mod error;
pub mod ledger;
mod probe;
pub mod report;
mod run;
mod stand_in;
mod subject;
pub mod verdict;

pub use bench::{Bench, Job, Row};
pub use clause::{Clause, Level};
pub use conflist::run as run_conflist;
pub use error::Error;
pub use run::{Counts, Options, Outcome, chosen, run};
pub use subject::{Kind, Recipe, Subject};
