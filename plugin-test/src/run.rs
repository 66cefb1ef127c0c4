//! A run: the plugin is looked at, clauses are chosen and tried, and everything said is kept.
use std::path::{Path, PathBuf};
use std::time::Instant;

use flatnet_model::cni::Version;
use serde::Serialize;
use serde_json::Value;

use crate::bench::{Bench, Job, Row};
use crate::call::type_of;
use crate::clause::Level;
use crate::subject::{Kind, Recipe, Subject, program, recipes};
use crate::verdict::Verdict;
use crate::{Error, clauses, damage};

/// What is to be tested.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folders with other plugins, besides the plugin's own.
    pub folders: Vec<PathBuf>,
    /// A configuration to use in place of ours.
    pub conf: Option<Value>,
    /// What kind of plugin it is, where that is said.
    pub kind: Option<Kind>,
    /// Clauses (`D1`), groups (`D`) or `X` for the damage table; all if empty.
    pub only: Vec<String>,
    /// The version under which clauses are tried, where it is not the newest that plugin and bench have.
    pub version: Option<Version>,
}

/// What came of testing one plugin.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The program.
    pub program: PathBuf,
    /// SHA-256 of the program, where the machine can say it.
    pub sha256: Option<String>,
    /// What kind of plugin it is.
    pub kind: Option<Kind>,
    /// The configuration that was used.
    pub conf: Value,
    /// Versions that it lists.
    pub versions: Vec<String>,
    /// The version under which clauses were tried.
    pub version: String,
    /// Built on the Go library `skel`.
    pub skel: bool,
    /// The kernel's release.
    pub kernel: String,
    /// Of flatnet.
    pub flatnet: String,
    /// A verdict for each clause, in the order of the catalogue.
    pub rows: Vec<Row>,
    /// A verdict for each cell of the damage table.
    pub damage: Vec<Row>,
    /// How long it took, milliseconds.
    pub millis: u64,
}

/// How many rows have a verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Clauses that hold.
    pub pass: usize,
    /// Broken clauses of level must.
    pub fail_must: usize,
    /// Other broken clauses.
    pub fail_should: usize,
    /// Clauses about other plugins.
    pub not_applicable: usize,
    /// Clauses with two readings.
    pub advisory: usize,
    /// Clauses that the library breaks.
    pub library: usize,
    /// Clauses that could not be measured.
    pub broken: usize,
}

/// The ids that `only` chooses: of clauses, and of cells.
///
/// # Errors
/// [`Error::Input`] for a word that names none.
pub fn chosen(only: &[String]) -> Result<Vec<Job>, Error> {
    let clause_ids: Vec<(&str, &str)> = clauses::all()
        .map(|clause| (clause.id, clause.group()))
        .collect();
    let cell_ids: Vec<String> = damage::cells().collect();
    for word in only {
        let known = clause_ids
            .iter()
            .any(|(id, group)| word == id || word == group)
            || cell_ids.iter().any(|cell| is_cell(word, cell));
        if !known {
            let mut groups: Vec<&str> = clause_ids.iter().map(|(_, group)| *group).collect();
            groups.dedup();
            return Err(Error::Input(format!(
                "--only {word}: there is no such clause; groups are {}, X (damage), and clauses are those of `flatnet plugin-test --list`",
                groups.join(", ")
            )));
        }
    }
    let all = only.is_empty();
    let mut jobs: Vec<Job> = clause_ids
        .into_iter()
        .filter(|(id, group)| all || only.iter().any(|word| word == id || word == group))
        .map(|(id, _)| Job::Clause { id: id.to_owned() })
        .collect();
    let cells = cell_ids
        .into_iter()
        .filter(|cell| all || only.iter().any(|word| is_cell(word, cell)));
    jobs.extend(cells.map(|id| Job::Damage { id }));
    Ok(jobs)
}

/// `X`, `X-bridge` or the cell itself.
fn is_cell(word: &str, cell: &str) -> bool {
    word == "X"
        || word == cell
        || cell
            .strip_prefix(word)
            .is_some_and(|rest| rest.starts_with('-') && word.starts_with("X-"))
}

/// Tests one plugin.
///
/// # Errors
/// [`Error::Input`] for what is not a plugin, or with which no ADD succeeds; [`Error::Missing`] where the machine allows no bench.
pub fn run(
    bench: &Bench,
    path: &Path,
    options: &Options,
    on_row: &(dyn Fn(&Row) + Sync),
) -> Result<Outcome, Error> {
    let jobs = chosen(&options.only)?;
    let started = Instant::now();
    let real = program::check(path)?;
    let subject = subject(&real, path, options, Vec::new())?;
    tested(
        bench,
        subject,
        candidates(&type_of(path), options),
        &jobs,
        started,
        on_row,
    )
}

pub(crate) fn subject(
    real: &Path,
    path: &Path,
    options: &Options,
    before: Vec<(PathBuf, Value)>,
) -> Result<Subject, Error> {
    // The name by which it is called is its type; a link need not have that of its target.
    let absolute =
        std::path::absolute(path).map_err(|e| Error::Input(format!("{}: {e}", path.display())))?;
    let mut folders: Vec<PathBuf> = Vec::new();
    let own = absolute.parent().map(Path::to_owned);
    for folder in own.iter().chain(&options.folders) {
        let folder = folder.canonicalize().map_err(|e| {
            Error::Input(format!(
                "{}: {e}; give a folder with plugins",
                folder.display()
            ))
        })?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let name = type_of(path);
    // As its folder has it inside of the bench, too, where links that lead elsewhere would break.
    let program = match folders.first() {
        Some(folder) if real.parent() == Some(folder) => real.to_owned(),
        Some(folder) if !absolute.is_symlink() => folder.join(&name),
        _ => real.to_owned(),
    };
    if let Some(parent) = program.parent()
        && !folders.iter().any(|folder| folder == parent)
    {
        folders.insert(0, parent.to_owned());
    }
    Ok(Subject {
        skel: program::has_skel(real),
        program,
        folders,
        kind_name: name,
        recipe: recipes::given(
            options.kind.unwrap_or(Kind::Interface),
            Value::Object(Default::default()),
        ),
        versions: Vec::new(),
        version: options
            .version
            .map(|version| version.to_string())
            .unwrap_or_default(),
        // Until it is known, the stand-in is where it would be found.
        delegates: true,
        before,
    })
}

fn candidates(name: &str, options: &Options) -> Vec<Recipe> {
    match (&options.conf, options.kind) {
        (Some(conf), Some(kind)) => vec![recipes::given(kind, conf.clone())],
        (Some(conf), None) => [Kind::Interface, Kind::Chained, Kind::Ipam]
            .map(|kind| recipes::given(kind, conf.clone()))
            .to_vec(),
        (None, kind) => {
            let mut found = recipes::of(name);
            found.retain(|recipe| kind.is_none_or(|kind| recipe.kind == kind));
            found
        }
    }
}

pub(crate) fn tested(
    bench: &Bench,
    mut subject: Subject,
    recipes: Vec<Recipe>,
    jobs: &[Job],
    started: Instant,
    on_row: &(dyn Fn(&Row) + Sync),
) -> Result<Outcome, Error> {
    let found = bench.probe(&subject, recipes)?;
    let mut outcome = Outcome {
        sha256: sha256(&subject.program),
        program: subject.program.clone(),
        kind: None,
        conf: Value::Null,
        versions: found.versions.clone(),
        version: subject.version.clone(),
        skel: subject.skel,
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .unwrap_or_default()
            .trim()
            .to_owned(),
        flatnet: env!("CARGO_PKG_VERSION").to_owned(),
        rows: Vec::new(),
        damage: Vec::new(),
        millis: 0,
    };
    if let Some(verdict) = found.version {
        // Nothing else can be asked of it.
        let row = Row {
            id: "V1".to_owned(),
            verdict,
            millis: 0,
        };
        on_row(&row);
        outcome.rows.push(row);
        outcome.millis = millis(started);
        return Ok(outcome);
    }
    let Some(recipe) = found.recipe else {
        let kinds = "interface, chained and IPAM";
        return Err(Error::Failed(format!(
            "{}: ADD fails with every configuration that was tried ({kinds}, as far as its type allows); give one with --conf FILE, and other plugins that it needs with --cni-bin\n  {}",
            subject.program.display(),
            found.tried.join("\n  ")
        )));
    };
    subject.recipe = recipe;
    subject.delegates = found.delegates;
    subject.versions = found.versions;
    if subject.version.is_empty() {
        let newest = subject
            .versions
            .iter()
            .filter_map(|text| text.parse::<Version>().ok())
            .max();
        subject.version = newest.unwrap_or(Version::NEWEST).to_string();
    }
    let rows = bench.run(&subject, jobs, on_row)?;
    let (damage, rows): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.id.starts_with("X-"));
    outcome.rows = rows;
    outcome.damage = damage;
    outcome.kind = Some(subject.recipe.kind);
    outcome.conf = subject.recipe.conf.clone();
    outcome.version = subject.version;
    outcome.millis = millis(started);
    Ok(outcome)
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// By the machine's own program, so that it can be compared by hand.
fn sha256(program: &Path) -> Option<String> {
    let done = std::process::Command::new("sha256sum")
        .arg(program)
        .output()
        .ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

impl Outcome {
    /// How much a row's clause asks.
    pub fn level(row: &Row) -> Level {
        match clauses::find(&row.id) {
            Some(clause) => clause.level,
            // DEL and GC complete, and CHECK looks: section 2 says should of each.
            None => match row.id.rsplit('-').next() {
                Some("DEL" | "CHECK" | "GC") => Level::Should,
                _ => Level::Unstated,
            },
        }
    }

    /// Of clauses and cells.
    pub fn all_rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().chain(&self.damage)
    }

    /// How many of them have which verdict.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for row in self.all_rows() {
            match (&row.verdict, Outcome::level(row)) {
                (Verdict::Pass { .. }, _) => counts.pass += 1,
                (Verdict::Fail { .. }, Level::Must) => counts.fail_must += 1,
                (Verdict::Fail { .. }, _) => counts.fail_should += 1,
                (Verdict::NotApplicable { .. }, _) => counts.not_applicable += 1,
                (Verdict::Advisory { .. }, _) => counts.advisory += 1,
                (Verdict::Library { .. }, _) => counts.library += 1,
                (Verdict::Broken { .. }, _) => counts.broken += 1,
            }
        }
        counts
    }

    /// 0, 1 for a broken must (with `strict` for any broken clause), 4 where a clause could not be measured.
    pub fn exit_code(&self, strict: bool) -> u8 {
        let counts = self.counts();
        if counts.fail_must > 0 || strict && counts.fail_should > 0 {
            1
        } else if counts.broken > 0
            || counts.pass + counts.fail_should + counts.advisory + counts.library == 0
        {
            4
        } else {
            0
        }
    }
}
