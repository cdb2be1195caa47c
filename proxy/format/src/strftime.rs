//! Time stamps of log lines: `strftime` with Envoy's fractions, in UTC. Knows nothing of requests.
//!
//! All a second's stamps differ only in the digits of their fraction: a [`Stamp`] keeps the text of the last second
//! and patches those digits.

use std::fmt::Write as _;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// A compiled time format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strftime(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(char),
    /// So many digits of the fraction of a second.
    Fraction(u8),
}

impl Strftime {
    /// What `%START_TIME%` without parentheses prints: `2018-04-03T23:46:09.123Z`.
    pub(crate) fn iso_millis() -> Self {
        use Part::{Field, Fraction, Text};
        Self(vec![Field('F'), Text("T".into()), Field('T'), Text(".".into()), Fraction(3), Text("Z".into())])
    }

    /// Compiles a format; the error is the specifier that is not known.
    pub(crate) fn parse(format: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                push_text(&mut parts, c);
                continue;
            }
            let spec = chars.as_str();
            let mut specs = spec.chars();
            let end = |rest: &std::str::Chars<'_>| format!("%{}", &spec[..spec.len() - rest.as_str().len()]);
            match specs.next() {
                Some('%') => push_text(&mut parts, '%'),
                Some('n') => push_text(&mut parts, '\n'),
                Some('t') => push_text(&mut parts, '\t'),
                // Nanoseconds; the last three digits are zero, our clock reads microseconds.
                Some('f') => parts.push(Part::Fraction(9)),
                Some(digit @ '1'..='9') if specs.as_str().starts_with('f') => {
                    specs.next();
                    parts.push(Part::Fraction(digit as u8 - b'0'));
                }
                // Envoy once wrote seconds with fraction like this.
                Some(digit @ '1'..='9') if specs.as_str().starts_with('s') => {
                    specs.next();
                    parts.extend([Part::Field('s'), Part::Fraction(digit as u8 - b'0')]);
                }
                Some('E') => absl(&mut parts, &mut specs).ok_or_else(|| end(&specs))?,
                Some(field) if "YmdeHIMSyCjaAbBhpTDFRrcxXzZsuwGgVUWkl".contains(field) => {
                    parts.push(Part::Field(field));
                }
                _ => return Err(end(&specs)),
            }
            chars = specs;
        }
        Ok(Self(parts))
    }
}

/// What follows `%E`: Abseil's extensions that Envoy's formats use.
fn absl(parts: &mut Vec<Part>, specs: &mut std::str::Chars<'_>) -> Option<()> {
    match specs.next()? {
        'T' => push_text(parts, 'T'),
        'z' => push_str(parts, "+00:00"),
        '4' if specs.next() == Some('Y') => parts.push(Part::Field('Y')),
        '*' => match specs.next()? {
            'S' => {
                parts.push(Part::Field('S'));
                push_text(parts, '.');
                parts.push(Part::Fraction(6));
            }
            'f' => parts.push(Part::Fraction(6)),
            'z' => push_str(parts, "+00:00:00"),
            _ => return None,
        },
        digit @ '0'..='9' => {
            let digits = digit as u8 - b'0';
            match specs.next()? {
                'S' => {
                    parts.push(Part::Field('S'));
                    if digits > 0 {
                        push_text(parts, '.');
                        parts.push(Part::Fraction(digits));
                    }
                }
                'f' if digits > 0 => parts.push(Part::Fraction(digits)),
                _ => return None,
            }
        }
        _ => return None,
    }
    Some(())
}

fn push_text(parts: &mut Vec<Part>, c: char) {
    if let Some(Part::Text(text)) = parts.last_mut() {
        text.push(c);
    } else {
        parts.push(Part::Text(c.into()));
    }
}

fn push_str(parts: &mut Vec<Part>, text: &str) {
    text.chars().for_each(|c| push_text(parts, c));
}

/// The text of one format in one second.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    /// None before the first use.
    second: Option<u64>,
    text: String,
    /// Where fractions stand in `text`, and how many digits each has.
    fractions: Vec<(usize, u8)>,
}

impl Stamp {
    /// Appends the time `micros` (since the Unix epoch) to `out`.
    pub(crate) fn write(&mut self, format: &Strftime, micros: u64, out: &mut Vec<u8>) {
        let second = micros / SECOND;
        if self.second != Some(second) {
            self.render(format, second);
        }
        let start = out.len();
        out.extend_from_slice(self.text.as_bytes());
        let nanos = micros % SECOND * 1000;
        for &(at, digits) in &self.fractions {
            let mut rest = nanos / 10u64.pow(9 - u32::from(digits));
            for place in (0..usize::from(digits)).rev() {
                out[start + at + place] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
    }

    fn render(&mut self, format: &Strftime, second: u64) {
        self.second = Some(second);
        self.text.clear();
        self.fractions.clear();
        let civil = Civil::at(second);
        for part in &format.0 {
            match part {
                Part::Text(text) => self.text.push_str(text),
                Part::Field(field) => civil.write(*field, &mut self.text),
                Part::Fraction(digits) => {
                    self.fractions.push((self.text.len(), *digits));
                    self.text.extend(std::iter::repeat_n('0', usize::from(*digits)));
                }
            }
        }
    }
}

/// A second in the Gregorian calendar, UTC.
struct Civil {
    epoch: u64,
    year: u64,
    /// 1 to 12.
    month: u64,
    /// 1 to 31.
    day: u64,
    /// 0 is the first of January.
    day_of_year: u64,
    /// 0 is Sunday.
    weekday: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Civil {
    /// Days to date after H. Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that the
    /// leap day is the last of its year.
    fn at(epoch: u64) -> Self {
        let days = epoch / 86_400;
        let z = days + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * from_march + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let day_of_year = if month <= 2 { from_march - 306 } else { from_march + 59 + u64::from(leap) };
        Self {
            epoch,
            year,
            month,
            day: from_march - (153 * shifted + 2) / 5 + 1,
            day_of_year,
            weekday: (days + 4) % 7,
            hour: epoch / 3600 % 24,
            minute: epoch / 60 % 60,
            second: epoch % 60,
        }
    }

    /// ISO 8601: week 1 has the year's first Thursday. Returns year and week.
    fn iso_week(&self) -> (u64, u64) {
        let monday_based = (self.weekday + 6) % 7;
        // Day of the year of this week's Thursday, counted from 0; may lie in a neighbour year.
        let thursday = (self.day_of_year + 3) as i64 - monday_based as i64;
        let length = |year: u64| {
            let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            365 + i64::from(leap)
        };
        if thursday < 0 {
            (self.year - 1, ((thursday + length(self.year - 1)) / 7 + 1) as u64)
        } else if thursday >= length(self.year) {
            (self.year + 1, 1)
        } else {
            (self.year, (thursday / 7 + 1) as u64)
        }
    }

    fn write(&self, field: char, out: &mut String) {
        let month = MONTHS[(self.month - 1) as usize];
        let day = DAYS[self.weekday as usize];
        let twelve = (self.hour + 11) % 12 + 1;
        let half = if self.hour < 12 { "AM" } else { "PM" };
        let (y, m, d) = (self.year, self.month, self.day);
        let (hh, mm, ss) = (self.hour, self.minute, self.second);
        // A String takes everything that is written to it.
        let _ = match field {
            'Y' => write!(out, "{y}"),
            'C' => write!(out, "{:02}", y / 100),
            'y' => write!(out, "{:02}", y % 100),
            'm' => write!(out, "{m:02}"),
            'd' => write!(out, "{d:02}"),
            'e' => write!(out, "{d:2}"),
            'H' => write!(out, "{hh:02}"),
            'k' => write!(out, "{hh:2}"),
            'I' => write!(out, "{twelve:02}"),
            'l' => write!(out, "{twelve:2}"),
            'M' => write!(out, "{mm:02}"),
            'S' => write!(out, "{ss:02}"),
            'j' => write!(out, "{:03}", self.day_of_year + 1),
            'a' => write!(out, "{}", &day[..3]),
            'A' => write!(out, "{day}"),
            'b' | 'h' => write!(out, "{}", &month[..3]),
            'B' => write!(out, "{month}"),
            'p' => write!(out, "{half}"),
            'T' | 'X' => write!(out, "{hh:02}:{mm:02}:{ss:02}"),
            'R' => write!(out, "{hh:02}:{mm:02}"),
            'r' => write!(out, "{twelve:02}:{mm:02}:{ss:02} {half}"),
            'D' | 'x' => write!(out, "{m:02}/{d:02}/{:02}", y % 100),
            'F' => write!(out, "{y}-{m:02}-{d:02}"),
            'c' => write!(out, "{} {} {d:2} {hh:02}:{mm:02}:{ss:02} {y}", &day[..3], &month[..3]),
            'z' => write!(out, "+0000"),
            'Z' => write!(out, "UTC"),
            's' => write!(out, "{}", self.epoch),
            'u' => write!(out, "{}", (self.weekday + 6) % 7 + 1),
            'w' => write!(out, "{}", self.weekday),
            'G' => write!(out, "{}", self.iso_week().0),
            'g' => write!(out, "{:02}", self.iso_week().0 % 100),
            'V' => write!(out, "{:02}", self.iso_week().1),
            'U' => write!(out, "{:02}", (self.day_of_year + 7 - self.weekday) / 7),
            'W' => write!(out, "{:02}", (self.day_of_year + 7 - (self.weekday + 6) % 7) / 7),
            _ => Ok(()),
        };
    }
}

#[cfg(test)]
mod tests;
