//! The table: figures side by side, their ratio, and the target it is held against.
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde::{Deserialize, Serialize};

/// Something measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Figure {
    /// How long one thing takes.
    Time(Duration),
    /// How long one of several at once takes (p50), and how many are done in a second.
    Each { p50: Duration, per_second: f64 },
    /// Packets in a second.
    Packets(f64),
    /// Bits in a second.
    Bits(f64),
    /// Size or memory.
    Bytes(u64),
}

impl Figure {
    fn amount(self) -> f64 {
        match self {
            Figure::Time(time) | Figure::Each { p50: time, .. } => time.as_secs_f64(),
            Figure::Packets(rate) | Figure::Bits(rate) => rate,
            Figure::Bytes(bytes) => bytes as f64,
        }
    }

    /// Whether a larger one is the better one.
    fn is_rate(self) -> bool {
        matches!(self, Figure::Packets(_) | Figure::Bits(_))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Figure::Time(time) => write!(f, "{}", Time(time)),
            Figure::Each { p50, per_second } => write!(f, "{} ({per_second:.0}/s)", Time(p50)),
            Figure::Packets(rate) => write!(f, "{:.0} kpps", rate / 1e3),
            Figure::Bits(rate) => write!(f, "{:.2} Gbit/s", rate / 1e9),
            Figure::Bytes(bytes) => write!(f, "{:.2} MB", bytes as f64 / 1e6),
        }
    }
}

struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1e3;
        match millis {
            ..10.0 => write!(f, "{millis:.2} ms"),
            ..100.0 => write!(f, "{millis:.1} ms"),
            ..2000.0 => write!(f, "{millis:.0} ms"),
            _ => write!(f, "{:.2} s", millis / 1e3),
        }
    }
}

/// What a row is held against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// None: the figure explains another.
    None,
    /// At least so many times better than the reference: less time, or a higher rate.
    Better(f64),
    /// At most so many times the reference.
    AtMost(f64),
    /// At most this, whatever the reference.
    Limit(Figure),
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: Figure,
    pub(crate) reference: Option<Figure>,
    pub(crate) target: Target,
}

impl Row {
    /// Ours beside a reference.
    pub(crate) fn pair(
        what: impl Into<String>,
        ours: Figure,
        reference: Figure,
        target: Target,
    ) -> Row {
        Row {
            what: what.into(),
            ours,
            reference: Some(reference),
            target,
        }
    }

    /// A figure with nothing beside it.
    pub(crate) fn alone(what: impl Into<String>, ours: Figure, target: Target) -> Row {
        Row {
            what: what.into(),
            ours,
            reference: None,
            target,
        }
    }

    /// How many times better ours is; against [`Target::AtMost`] how many times the reference it is.
    fn ratio(&self) -> Option<f64> {
        let (ours, reference) = (self.ours.amount(), self.reference?.amount());
        let multiple = matches!(self.target, Target::AtMost(_)) || self.ours.is_rate();
        Some(if multiple {
            ours / reference
        } else {
            reference / ours
        })
    }

    fn is_met(&self) -> Option<bool> {
        match self.target {
            Target::None => None,
            Target::Better(least) => self.ratio().map(|ratio| ratio >= least),
            Target::AtMost(most) => self.ratio().map(|ratio| ratio <= most),
            Target::Limit(limit) => Some(self.ours.amount() <= limit.amount()),
        }
    }

    fn cells(&self) -> [String; 6] {
        let ratio = |ratio: f64| {
            format!("{ratio:.2}")
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned()
                + "×"
        };
        [
            self.what.clone(),
            self.ours.to_string(),
            self.reference
                .map(|figure| figure.to_string())
                .unwrap_or_default(),
            self.ratio()
                .map(|value| format!("{value:.2}×"))
                .unwrap_or_default(),
            match self.target {
                Target::None => String::new(),
                Target::Better(least) => format!("≥ {}", ratio(least)),
                Target::AtMost(most) => format!("≤ {}", ratio(most)),
                Target::Limit(limit) => format!("≤ {limit}"),
            },
            match self.is_met() {
                Some(true) => "yes".to_owned(),
                Some(false) => "NO".to_owned(),
                None => String::new(),
            },
        ]
    }
}

/// All rows, and what a reader should know of the circumstances.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Table {
    pub(crate) fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::ASCII_MARKDOWN)
            .set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["what", "ours", "reference", "ratio", "target", "met?"]);
        for row in &self.rows {
            table.add_row(row.cells());
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{table}")?;
        writeln!(
            f,
            "ratio: how many times better ours is (less time, higher rate); with a target \"≤ n×\": how many times the reference"
        )?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
