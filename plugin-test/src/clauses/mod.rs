//! The clauses of the CNI specification that can be tried from outside, one module per group.
mod add;
mod capabilities;
mod check;
mod del;
mod delegation;
mod errors;
mod gc;
mod load;
pub mod page;
mod result;
mod status;
mod version;

pub(crate) use check::host_end;

use crate::bench::Bed;
use crate::clause::Clause;
use crate::verdict::Verdict;

/// All of them, in the order of reports.
pub fn all() -> impl Iterator<Item = &'static Clause> {
    let groups: [&[Clause]; 10] = [
        errors::CLAUSES,
        add::CLAUSES,
        del::CLAUSES,
        check::CLAUSES,
        status::CLAUSES,
        gc::CLAUSES,
        version::CLAUSES,
        delegation::CLAUSES,
        capabilities::CLAUSES,
        load::CLAUSES,
    ];
    groups.into_iter().flatten()
}

/// The clause with this id.
pub fn find(id: &str) -> Option<&'static Clause> {
    all().find(|clause| clause.id == id)
}

pub(crate) fn judge(id: &str, mut bed: Bed) -> Verdict {
    match find(id) {
        Some(clause) => {
            let end = (clause.run)(&mut bed);
            bed.verdict(end)
        }
        None => Verdict::Broken {
            error: format!("there is no clause {id}"),
        },
    }
}
