//! Which columns a width has room for, and what stands in them. Knows nothing of colours.

use std::time::Duration;

use super::{Revision, Service};
use crate::up::screen::text::{crop, width};

/// Free columns between two.
const GAP: usize = 2;

/// A URL is worth little when it is cut shorter than this.
const LEAST_URL: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Service,
    Url,
    Revision,
    Share,
    Ready,
    Waiting,
    InFlight,
    Rate,
    P50,
    P99,
}

impl Column {
    const ALL: [Column; 10] = [
        Column::Service,
        Column::Url,
        Column::Revision,
        Column::Share,
        Column::Ready,
        Column::Waiting,
        Column::InFlight,
        Column::Rate,
        Column::P50,
        Column::P99,
    ];

    fn head(self) -> &'static str {
        match self {
            Column::Service => "SERVICE",
            Column::Url => "URL",
            Column::Revision => "REVISION",
            Column::Share => "SHARE",
            Column::Ready => "READY",
            Column::Waiting => "WAITING",
            Column::InFlight => "IN FLIGHT",
            Column::Rate => "RPS",
            Column::P50 => "P50",
            Column::P99 => "P99",
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Column::Service | Column::Url | Column::Revision)
    }

    /// Numbers jump about; a column that does not is easier to read.
    fn least(self) -> usize {
        match self {
            Column::Rate | Column::P50 | Column::P99 => 6,
            column => column.head().len(),
        }
    }

    fn cell(self, service: &Service, revision: &Revision) -> String {
        match self {
            Column::Service => service.name.clone(),
            Column::Url => service.url.clone(),
            Column::Revision => revision.name.clone(),
            Column::Share => revision.share.clone(),
            Column::Ready => format!("{}/{}", revision.ready, revision.wanted),
            Column::Waiting => revision.waiting.to_string(),
            Column::InFlight => revision.in_flight.to_string(),
            Column::Rate => rate(revision.rate),
            Column::P50 => revision.p50.map_or_else(|| "-".to_owned(), duration),
            Column::P99 => revision.p99.map_or_else(|| "-".to_owned(), duration),
        }
    }
}

/// The columns there is room for, with their widths.
pub(super) struct Columns {
    columns: Vec<(Column, usize)>,
    /// A URL's scheme is the first thing to do without.
    short: bool,
}

impl Columns {
    /// As many as fit: where the URL is shown the name is in it already, then the scheme goes, then what is nice to know.
    pub(super) fn fit(services: &[&Service], columns: usize) -> Self {
        let mut all =
            Self { columns: Column::ALL.map(|column| (column, column.least())).into(), short: false };
        all.measure(services);
        let without = [Column::Service, Column::Url, Column::InFlight, Column::P50, Column::Waiting];
        for column in without {
            if all.width() <= columns {
                break;
            }
            if column == Column::Url {
                all.short = true;
                all.measure(services);
            } else {
                all.columns.retain(|(own, _)| *own != column);
            }
        }
        let over = all.width().saturating_sub(columns);
        for (column, width) in &mut all.columns {
            if *column == Column::Url {
                *width = width.saturating_sub(over).max(LEAST_URL.min(*width));
            }
        }
        all
    }

    fn measure(&mut self, services: &[&Service]) {
        let short = self.short;
        for (column, most) in &mut self.columns {
            *most = column.least();
            for service in services {
                let none = Revision::default();
                for revision in service.revisions.iter().chain([&none]) {
                    *most = (*most).max(width(shortened(*column, &column.cell(service, revision), short)));
                }
            }
        }
    }

    fn width(&self) -> usize {
        let gaps = GAP * self.columns.len().saturating_sub(1);
        self.columns.iter().map(|(_, width)| width).sum::<usize>() + gaps
    }

    pub(super) fn head(&self) -> String {
        self.joined(|column| Some(column.head().to_owned()))
    }

    /// A revision's row; its service's name and URL stand in the first. One that failed ends where its reason begins.
    pub(super) fn row(&self, service: Option<&Service>, revision: &Revision) -> String {
        let none = Service::default();
        let owner = service.unwrap_or(&none);
        let cell = |column: Column| match column {
            Column::Waiting | Column::InFlight | Column::Rate | Column::P50 | Column::P99
                if revision.failure.is_some() =>
            {
                None
            }
            column => Some(column.cell(owner, revision)),
        };
        let row = self.joined(cell);
        if revision.failure.is_some() { row + "  " } else { row }
    }

    /// What stands before a reason that concerns the whole service.
    pub(super) fn lead(&self, service: Option<&Service>) -> String {
        let none = Service::default();
        let owner = service.unwrap_or(&none);
        let cell = |column: Column| match column {
            Column::Service | Column::Url => Some(column.cell(owner, &Revision::default())),
            _ => None,
        };
        self.joined(cell) + "  "
    }

    fn joined(&self, cell: impl Fn(Column) -> Option<String>) -> String {
        let mut row = String::new();
        for (at, (column, most)) in self.columns.iter().enumerate() {
            let Some(text) = cell(*column) else { break };
            let text = crop(shortened(*column, &text, self.short), *most);
            let pad = most.saturating_sub(width(&text));
            let (before, after) = if column.is_text() { (0, pad) } else { (pad, 0) };
            row.extend(std::iter::repeat_n(' ', before + if at == 0 { 0 } else { GAP }));
            row.push_str(&text);
            row.extend(std::iter::repeat_n(' ', after));
        }
        row
    }
}

fn shortened(column: Column, cell: &str, short: bool) -> &str {
    match column {
        Column::Url if short => cell.strip_prefix("http://").unwrap_or(cell),
        _ => cell,
    }
}

/// Three digits or so: `0.4`, `12`, `12.3k`.
pub(super) fn rate(rate: f64) -> String {
    match rate {
        r if r <= 0.0 => "-".to_owned(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 9_999.5 => format!("{r:.0}"),
        r => format!("{:.1}k", r / 1e3),
    }
}

/// Two or three digits: `0.4ms`, `12ms`, `1.2s`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds * 1e3 {
        ms if ms < 0.995 => format!("{ms:.2}ms"),
        ms if ms < 9.95 => format!("{ms:.1}ms"),
        ms if ms < 999.5 => format!("{ms:.0}ms"),
        _ if seconds < 9.95 => format!("{seconds:.1}s"),
        _ => format!("{seconds:.0}s"),
    }
}
