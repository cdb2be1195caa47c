//! Header operations of routes, carried out: what a level removes, then what it sets, then what it adds, each value as the message
//! was before the level began. Knows nothing of what a route is matched by.

use std::borrow::Cow;
use std::sync::Arc;

use forebay_http::Head;
use forebay_route::{HeaderAdd, HeaderAddAction, Matched, Value};
use forebay_telemetry::log::Formatter;

use super::record;
use super::state::Exchange;
use crate::worker::Worker;

/// The matched levels' operations on the request.
pub(super) fn request(worker: &Worker, x: &mut Exchange, matched: &Matched<'_>) {
    for level in matched.header_levels() {
        apply(worker, x, Side::Request, &level.request_remove, &level.request_add);
    }
}

/// The same on the response.
pub(super) fn response(worker: &Worker, x: &mut Exchange, matched: &Matched<'_>) {
    for level in matched.header_levels() {
        apply(worker, x, Side::Response, &level.response_remove, &level.response_add);
    }
}

/// Which head is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

impl Side {
    pub(crate) fn of(self, x: &mut Exchange) -> &mut Head {
        match self {
            Side::Request => &mut x.req,
            Side::Response => &mut x.res,
        }
    }
}

/// Removes, then sets, then adds.
pub(crate) fn apply(worker: &Worker, x: &mut Exchange, side: Side, remove: &[Arc<str>], add: &[HeaderAdd]) {
    let head = side.of(x);
    for name in remove {
        head.remove(name.as_bytes());
    }
    match add {
        [] => {}
        // By far the most common case, and one in which no operation can see another.
        [HeaderAdd { name, value: Value::Literal(value), action, .. }] => {
            if applies(head, name, *action) {
                put(head, name, value.as_bytes(), *action);
            }
        }
        many => apply_many(worker, x, side, many),
    }
}

fn apply_many(worker: &Worker, x: &mut Exchange, side: Side, add: &[HeaderAdd]) {
    let mut due: Vec<(&HeaderAdd, Cow<'_, [u8]>)> = Vec::with_capacity(add.len());
    for add in add {
        let value = value(worker, x, &add.value);
        if (add.keep_empty || !value.is_empty()) && applies(side.of(x), &add.name, add.action) {
            due.push((add, value));
        }
    }
    let head = side.of(x);
    for overwrites in [true, false] {
        for (add, value) in due.iter().filter(|(add, _)| overwrites == is_overwrite(add.action)) {
            put(head, &add.name, value, add.action);
        }
    }
}

fn is_overwrite(action: HeaderAddAction) -> bool {
    matches!(action, HeaderAddAction::Overwrite | HeaderAddAction::OverwriteIfExists)
}

fn applies(head: &Head, name: &str, action: HeaderAddAction) -> bool {
    match action {
        HeaderAddAction::Append | HeaderAddAction::Overwrite => true,
        HeaderAddAction::AddIfAbsent => head.get(name.as_bytes()).is_none(),
        HeaderAddAction::OverwriteIfExists => head.get(name.as_bytes()).is_some(),
    }
}

fn put(head: &mut Head, name: &str, value: &[u8], action: HeaderAddAction) {
    if is_overwrite(action) { head.set(name.as_bytes(), value) } else { head.push(name.as_bytes(), value) }
}

/// A value for this exchange. What no header can have is replaced, wherever it came from.
pub(crate) fn value<'v>(worker: &Worker, x: &Exchange, value: &'v Value) -> Cow<'v, [u8]> {
    match value {
        Value::Literal(text) => Cow::Borrowed(text.as_bytes()),
        Value::Format(format) => {
            let mut out = Vec::new();
            Formatter::new(format.clone()).write(&record::line(worker, x), &mut out);
            out.iter_mut().filter(|b| matches!(b, b'\r' | b'\n' | 0)).for_each(|b| *b = b' ');
            Cow::Owned(out)
        }
    }
}
