//! Services and their revisions as rows of text. Pure; knows neither the terminal nor who counts.

use std::time::Duration;

use super::text::{crop, width};

mod columns;

/// Everything there is to show.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    /// By name. Of many, the ones that may be shown.
    pub services: Vec<Service>,
    /// How many there are.
    pub total: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Service {
    pub name: String,
    /// With the port.
    pub url: String,
    /// Where not all fit, those with more are shown.
    pub busy: u64,
    pub revisions: Vec<Revision>,
    /// Why it is not as its manifest wants it.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Revision {
    pub name: String,
    /// `50%`, or the tags it answers to.
    pub share: String,
    pub ready: u32,
    pub wanted: u32,
    pub waiting: u32,
    pub in_flight: u32,
    /// Answers a second, lately.
    pub rate: f64,
    pub p50: Option<Duration>,
    pub p99: Option<Duration>,
    /// Why it does not run.
    pub failure: Option<String>,
}

/// One row, and the columns it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub text: String,
    pub width: usize,
}

impl Table {
    /// The rows for a terminal of this size. Takes no more than its lower part, so that some lines stay above.
    pub(crate) fn render(&self, width: usize, height: usize, colours: bool) -> Vec<Line> {
        let paint = Paint { colours };
        // A free row and the head are there always.
        let room = (height / 2).max(height.saturating_sub(12)).saturating_sub(2).max(1);
        let mut lines = vec![paint.line("", Style::Plain, width)];
        if self.total == 0 {
            lines.push(paint.line("no services yet", Style::Dim, width));
            return lines;
        }
        let shown = self.fitting(room);
        let columns = columns::Columns::fit(&shown, width);
        lines.push(paint.line(&columns.head(), Style::Bold, width));
        for service in &shown {
            let mut first = Some(*service);
            for revision in &service.revisions {
                let row = columns.row(first.take(), revision);
                lines.push(match &revision.failure {
                    Some(failure) => paint.two(&row, failure, Style::Bad, width),
                    None if revision.ready < revision.wanted => paint.line(&row, Style::Starting, width),
                    None if revision.wanted == 0 => paint.line(&row, Style::Dim, width),
                    None => paint.line(&row, Style::Plain, width),
                });
            }
            if let Some(problem) = &service.problem {
                lines.push(paint.two(&columns.lead(first.take()), problem, Style::Bad, width));
            } else if let Some(service) = first.take() {
                lines.push(paint.line(&columns.lead(Some(service)), Style::Dim, width));
            }
        }
        let hidden = self.total.saturating_sub(shown.len());
        if hidden > 0 {
            lines.push(paint.line(&format!("... and {hidden} more"), Style::Dim, width));
        }
        lines
    }

    /// All that fit into so many rows, or the busiest of them; by name. One is shown always.
    fn fitting(&self, room: usize) -> Vec<&Service> {
        let rows: usize = self.services.iter().map(Service::rows).sum();
        if rows <= room && self.services.len() == self.total {
            return self.services.iter().collect();
        }
        let mut ranked: Vec<usize> = (0..self.services.len()).collect();
        ranked.sort_by_key(|at| std::cmp::Reverse(self.services.get(*at).map_or(0, |service| service.busy)));
        // The last row says how many are not shown.
        let mut left = room.saturating_sub(1);
        let mut chosen: Vec<usize> = Vec::new();
        for at in ranked {
            let rows = self.services.get(at).map_or(0, Service::rows);
            if rows > left && !chosen.is_empty() {
                break;
            }
            left = left.saturating_sub(rows);
            chosen.push(at);
        }
        chosen.sort_unstable();
        chosen.into_iter().filter_map(|at| self.services.get(at)).collect()
    }
}

impl Service {
    fn rows(&self) -> usize {
        (self.revisions.len() + usize::from(self.problem.is_some())).max(1)
    }
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Bold,
    Dim,
    Starting,
    Bad,
}

impl Style {
    /// Select Graphic Rendition: 1 bold, 2 faint, 31 red, 33 yellow.
    fn code(self) -> &'static str {
        match self {
            Style::Plain => "",
            Style::Bold => "\x1b[1m",
            Style::Dim => "\x1b[2m",
            Style::Starting => "\x1b[33m",
            Style::Bad => "\x1b[31m",
        }
    }
}

struct Paint {
    colours: bool,
}

impl Paint {
    fn line(&self, text: &str, style: Style, columns: usize) -> Line {
        let text = crop(text, columns);
        let width = width(&text);
        Line { text: self.styled(&text, style), width }
    }

    /// A plain beginning, then the reason for its being the last.
    fn two(&self, lead: &str, text: &str, style: Style, columns: usize) -> Line {
        let lead = crop(lead, columns);
        let at = width(&lead);
        let text = crop(&super::clean(text), columns.saturating_sub(at));
        let width = at + width(&text);
        Line { text: lead + &self.styled(&text, style), width }
    }

    fn styled(&self, text: &str, style: Style) -> String {
        let code = style.code();
        if !self.colours || code.is_empty() || text.is_empty() {
            text.to_owned()
        } else {
            format!("{code}{text}\x1b[0m")
        }
    }
}

#[cfg(test)]
mod tests;
