//! Answers of the proxy's own as the listener wants them: `local_reply_config` carried out. Knows no faults.

use std::borrow::Cow;

use forebay_http::Known;
use forebay_model::{LocalReplies, Mapper, ReplyCondition};
use forebay_telemetry::log::Formatter;

use super::headers::{self, Side};
use super::record;
use super::state::{Exchange, View};
use crate::worker::Worker;

/// Changes the answer in `x.res` and gives the body that goes with it.
pub(super) fn rewrite<'b>(
    worker: &Worker,
    x: &mut Exchange,
    replies: &LocalReplies,
    body: &'b [u8],
) -> Cow<'b, [u8]> {
    x.status = x.res.status;
    let mapper = replies.mappers.iter().find(|mapper| meets(x, &mapper.condition));
    let text = mapper.and_then(|mapper| mapper.body.as_deref()).map_or(body, str::as_bytes);
    if let Some(Mapper { status, headers, .. }) = mapper {
        headers::apply(worker, x, Side::Response, &[], headers);
        x.res.status = status.unwrap_or(x.res.status);
        x.status = x.res.status;
    }
    let format = mapper.and_then(|mapper| mapper.format.as_ref()).or(replies.format.as_ref());
    let written = match format {
        None => text.to_vec(),
        Some(format) => {
            x.local_body.push_str(&String::from_utf8_lossy(text));
            let mut out = Vec::new();
            Formatter::new(format.format.clone()).write(&record::line(worker, x), &mut out);
            x.local_body.clear();
            out
        }
    };
    if written.is_empty() {
        x.res.remove_known(Known::ContentType);
    } else if written != body || !x.res.has(Known::ContentType) {
        let kind = format.map_or("text/plain", |format| &*format.content_type);
        x.res.set(Known::ContentType.name(), kind.as_bytes());
    }
    if written == body { Cow::Borrowed(body) } else { Cow::Owned(written) }
}

fn meets(x: &Exchange, condition: &ReplyCondition) -> bool {
    match condition {
        ReplyCondition::All(all) => all.iter().all(|it| meets(x, it)),
        ReplyCondition::Any(any) => any.iter().any(|it| meets(x, it)),
        ReplyCondition::Status(from, to) => (*from..=*to).contains(&x.status),
        ReplyCondition::NotStatus(status) => x.status != *status,
        ReplyCondition::Flags(flags) if flags.is_empty() => !x.flags.is_empty(),
        ReplyCondition::Flags(flags) => flags.iter().any(|flag| x.flags.has(*flag)),
        ReplyCondition::Header(header) => header.matches(&View(&x.req)),
    }
}
