//! What flatnet makes of what was seen: pure functions, without a cluster, a file or a socket.
//!
//! [`checks`] judge observations, [`inspect`] answers questions from a view, [`trace`] follows a packet through what was seen of
//! every namespace, [`follow`] says what became of packets that were followed for real, [`diagnose`] ranks
//! the causes of an unhealthy pod or node, [`facts`] are what two runs are compared by, [`diff`] says what is different, [`alike`] puts together what differs only in whom it is about.
pub mod alike;
pub mod change;
pub mod checks;
pub mod diagnose;
pub mod diff;
pub mod example;
pub mod facts;
pub mod follow;
pub mod inspect;
mod look;
mod mend;
mod mtus;
mod reach;
pub mod trace;
pub mod words;
