//! The `date` header's value (RFC 9110 5.6.7). Knows no messages.

use std::cell::Cell;

use forebay_base::calendar;

use crate::clock::Clock;

/// The `date` header's value, rendered once a second.
#[derive(Default)]
pub struct DateLine(Cell<(u64, [u8; 29])>);

impl DateLine {
    /// The second that the clock shows.
    pub fn now(&self, clock: &Clock) -> [u8; 29] {
        let second = clock.unix_micros(clock.now()) / 1_000_000;
        let (at, text) = self.0.get();
        if at == second {
            return text;
        }
        let text = imf_fixdate(second);
        self.0.set((second, text));
        text
    }
}

/// RFC 9110 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(unix: u64) -> [u8; 29] {
    let (days, rest) = (unix / 86_400, unix % 86_400);
    let (year, month, day) = calendar::date(days);
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS.get((days % 7) as usize).unwrap_or(&"Thu"),
        MONTHS.get(month as usize - 1).unwrap_or(&"Jan"),
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    );
    let mut out = [b' '; 29];
    for (slot, byte) in out.iter_mut().zip(text.bytes()) {
        *slot = byte;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_imf_fixdate() {
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&imf_fixdate(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(&imf_fixdate(1_709_164_800), b"Thu, 29 Feb 2024 00:00:00 GMT");
    }
}
