//! Protobuf's wrapped numbers, durations and enumerations as plain values. Knows no message of Envoy's.

use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_proto::google::protobuf as pb;

use super::at::At;
use super::invalid::{Invalid, Rule};

/// A duration; `None` where the field is not there.
pub(crate) fn duration(at: At<'_>, value: &Option<pb::Duration>) -> Result<Option<Duration>, Invalid> {
    let Some(&pb::Duration { seconds, nanos }) = value.as_ref() else { return Ok(None) };
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(whole), Ok(part)) if part < 1_000_000_000 => Ok(Some(Duration::new(whole, part))),
        _ => Err(at.refuse(Rule::NotADuration { seconds, nanos })),
    }
}

/// A number; `None` where the field is not there.
pub(crate) fn number(
    at: At<'_>,
    value: &Option<pb::UInt32Value>,
    allowed: RangeInclusive<u32>,
) -> Result<Option<u32>, Invalid> {
    let Some(&pb::UInt32Value { value }) = value.as_ref() else { return Ok(None) };
    if allowed.contains(&value) {
        return Ok(Some(value));
    }
    let (min, max) = (i64::from(*allowed.start()), i64::from(*allowed.end()));
    Err(at.refuse(Rule::OutOfRange { value: value.into(), min, max }))
}

/// A flag, or what it is when nobody says.
pub(crate) fn flag(value: &Option<pb::BoolValue>, default: bool) -> bool {
    value.as_ref().map_or(default, |v| v.value)
}

/// A flag that may only be off.
pub(crate) fn off(at: At<'_>, value: &Option<pb::BoolValue>) -> Result<(), Invalid> {
    if flag(value, false) { Err(at.unsupported(true)) } else { Ok(()) }
}

/// An enumeration's value.
pub(crate) fn choice<E: TryFrom<i32>>(at: At<'_>, value: i32) -> Result<E, Invalid> {
    E::try_from(value).map_err(|_| at.refuse(Rule::UnknownValue(value)))
}

/// Reads every element of a list, where it stands. Exactly as large as it has to be: routes are kept by the thousand.
pub(crate) fn each<T, U>(
    at: &At<'_>,
    list: &[T],
    mut read: impl FnMut(&At<'_>, &T) -> Result<U, Invalid>,
) -> Result<Vec<U>, Invalid> {
    let mut all = Vec::with_capacity(list.len());
    for (index, element) in list.iter().enumerate() {
        all.push(read(&at.index(index), element)?);
    }
    Ok(all)
}
