use proptest::prelude::*;

use super::*;

/// 2009-02-13T23:31:30Z, a Friday; and some microseconds.
const FRIDAY: u64 = 1_234_567_890_123_456;

fn show(format: &str, micros: u64) -> String {
    let format = Strftime::parse(format).unwrap_or_else(|spec| panic!("{format}: {spec}"));
    let mut out = Vec::new();
    Stamp::default().write(&format, micros, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_default_is_iso_with_milliseconds() {
    let mut out = Vec::new();
    let mut stamp = Stamp::default();
    stamp.write(&Strftime::iso_millis(), FRIDAY, &mut out);
    assert_eq!(out, b"2009-02-13T23:31:30.123Z");
    // The second is kept, the fraction is not.
    stamp.write(&Strftime::iso_millis(), FRIDAY + 1000, &mut out);
    stamp.write(&Strftime::iso_millis(), FRIDAY + 1_000_000, &mut out);
    assert_eq!(&out[24..], b"2009-02-13T23:31:30.124Z2009-02-13T23:31:31.123Z");
}

#[test]
fn every_specifier() {
    for (format, text) in [
        ("%Y/%m/%dT%H:%M:%S%z", "2009/02/13T23:31:30+0000"),
        ("%y %C %e %j", "09 20 13 044"),
        ("%a %A %b %B %h", "Fri Friday Feb February Feb"),
        ("%I:%M %p, %k, %l, %r", "11:31 PM, 23, 11, 11:31:30 PM"),
        ("%T %R %D %F %x %X", "23:31:30 23:31 02/13/09 2009-02-13 02/13/09 23:31:30"),
        ("%c", "Fri Feb 13 23:31:30 2009"),
        ("%u %w %U %W %V %G %g", "5 5 06 06 07 2009 09"),
        ("%Z 100%% %n%t|", "UTC 100% \n\t|"),
        ("%s", "1234567890"),
        ("%s.%3f", "1234567890.123"),
        ("%s.%6f %1f", "1234567890.123456 1"),
        ("%f", "123456000"),
        ("%9f", "123456000"),
        ("%3s", "1234567890123"),
        ("%E3S %E6S %E0S %E*S", "30.123 30.123456 30 30.123456"),
        ("%E4Y%ET%Ez", "2009T+00:00"),
        ("Zeit ä", "Zeit ä"),
    ] {
        assert_eq!(show(format, FRIDAY), text, "{format}");
    }
}

#[test]
fn an_unknown_specifier_is_named() {
    for (format, spec) in [
        ("%Q", "%Q"),
        ("%H:%", "%"),
        ("%4Y", "%4"),
        ("%EQ", "%EQ"),
        ("%E3Q", "%E3Q"),
        ("%0f", "%0"),
        ("%E0f", "%E0f"),
    ] {
        assert_eq!(Strftime::parse(format), Err(spec.to_owned()), "{format}");
    }
}

#[test]
fn the_calendar_at_its_corners() {
    for (epoch, text) in [
        (0, "1970-01-01 Thu 001 1970-W01"),
        (68_169_600, "1972-02-29 Tue 060 1972-W09"),
        (951_782_400, "2000-02-29 Tue 060 2000-W09"),
        (978_220_800, "2000-12-31 Sun 366 2000-W52"),
        (1_104_537_600, "2005-01-01 Sat 001 2004-W53"),
        (1_230_681_600, "2008-12-31 Wed 366 2009-W01"),
        (4_107_542_400, "2100-03-01 Mon 060 2100-W09"),
        (253_402_300_799, "9999-12-31 Fri 365 9999-W52"),
    ] {
        assert_eq!(show("%F %a %j %G-W%V", epoch * 1_000_000), text);
    }
}

proptest! {
    /// Days follow one another as a calendar on paper would have it.
    #[test]
    fn tomorrow_is_the_next_day(day in 0u64..80_000) {
        let at = |day: u64| Civil::at(day * 86_400);
        let (today, tomorrow) = (at(day), at(day + 1));
        prop_assert_eq!(tomorrow.weekday, (today.weekday + 1) % 7);
        if tomorrow.day == 1 {
            prop_assert!(today.day >= 28);
            prop_assert_eq!(tomorrow.month, today.month % 12 + 1);
            prop_assert_eq!(tomorrow.year, today.year + u64::from(today.month == 12));
        } else {
            prop_assert_eq!((tomorrow.year, tomorrow.month, tomorrow.day), (today.year, today.month, today.day + 1));
        }
        if tomorrow.year == today.year {
            prop_assert_eq!(tomorrow.day_of_year, today.day_of_year + 1);
        } else {
            prop_assert_eq!(tomorrow.day_of_year, 0);
        }
    }

    /// A stamp that was used before writes what a fresh one writes.
    #[test]
    fn the_cache_changes_nothing(times in proptest::collection::vec(0u64..5_000_000, 1..20)) {
        let format = Strftime::parse("%T.%6f|%s.%1f|%9f").unwrap();
        let mut stamp = Stamp::default();
        for micros in times {
            let (mut cached, mut fresh) = (Vec::new(), Vec::new());
            stamp.write(&format, micros, &mut cached);
            Stamp::default().write(&format, micros, &mut fresh);
            prop_assert_eq!(cached, fresh);
        }
    }
}
