//! `route.v3.RedirectAction` and `DirectResponseAction`: what the proxy answers itself.

use std::borrow::Cow;

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use forebay_route::{Direct, PathRewrite, Redirect, RedirectPath, RegexRewrite};

use super::at::At;
use super::data_source::bytes;
use super::fields::fields;
use super::invalid::{Invalid, Rule};
use super::scalar::choice;

/// Envoy's `max_direct_response_body_size_bytes`: 4 KiB, unless a route configuration says otherwise.
pub(crate) const DIRECT_BODY: u32 = 4096;

/// Reads a redirect.
pub(crate) fn redirect(at: &At<'_>, message: &pb::RedirectAction) -> Result<Redirect, Invalid> {
    use pb::redirect_action::{
        PathRewriteSpecifier as Path, RedirectResponseCode as Code, SchemeRewriteSpecifier as Scheme,
    };
    fields!(at, message => pb::RedirectAction {
        read: [host_redirect, port_redirect, response_code, strip_query, scheme_rewrite_specifier, path_rewrite_specifier],
        harmless: [],
        refused: [],
    });
    let text = |text: &String| (!text.is_empty()).then(|| text.as_str().into());
    Ok(Redirect {
        scheme: match scheme_rewrite_specifier {
            Some(Scheme::HttpsRedirect(true)) => Some("https".into()),
            Some(Scheme::SchemeRedirect(scheme)) => text(scheme),
            Some(Scheme::HttpsRedirect(false)) | None => None,
        },
        host: text(host_redirect),
        port: match *port_redirect {
            0 => None,
            port => Some(
                u16::try_from(port).map_err(|_| at.field("port_redirect").refuse(Rule::NotAPort(port)))?,
            ),
        },
        path: match path_rewrite_specifier {
            None => RedirectPath::Keep,
            Some(Path::PathRedirect(path)) if path.is_empty() => RedirectPath::Keep,
            Some(Path::PathRedirect(path)) => RedirectPath::Replace(path.as_str().into()),
            Some(Path::PrefixRewrite(prefix)) if prefix.is_empty() => RedirectPath::Keep,
            Some(Path::PrefixRewrite(prefix)) => {
                RedirectPath::Rewrite(PathRewrite::Prefix(prefix.as_str().into()))
            }
            Some(Path::RegexRewrite(rewrite)) => {
                RedirectPath::Rewrite(PathRewrite::Regex(regex_rewrite(&at.field("regex_rewrite"), rewrite)?))
            }
            Some(Path::PathRewrite(format)) => return Err(at.field("path_rewrite").unsupported(format)),
        },
        strip_query: *strip_query,
        status: match choice(at.field("response_code"), *response_code)? {
            Code::MovedPermanently => 301,
            Code::Found => 302,
            Code::SeeOther => 303,
            Code::TemporaryRedirect => 307,
            Code::PermanentRedirect => 308,
        },
    })
}

/// Reads a substitution.
pub(crate) fn regex_rewrite(at: &At<'_>, message: &RegexMatchAndSubstitute) -> Result<RegexRewrite, Invalid> {
    let Some(pattern) = &message.pattern else { return Err(at.missing("pattern")) };
    RegexRewrite::new(&pattern.regex, &message.substitution)
        .map_err(|e| at.refuse(Rule::BadRegex(e.to_string())))
}

/// Reads an answer of the proxy's own; its body may have `limit` bytes.
pub(crate) fn direct(at: &At<'_>, message: &pb::DirectResponseAction, limit: u32) -> Result<Direct, Invalid> {
    fields!(at, message => pb::DirectResponseAction {
        read: [status, body],
        harmless: [],
        refused: [body_format],
    });
    let status = match u16::try_from(*status) {
        // What is below 200 is no final answer.
        Ok(code @ 200..=599) => code,
        _ => return Err(at.field("status").refuse(Rule::NotAStatus(*status))),
    };
    let at = at.field("body");
    let body = match body {
        Some(source) if source.specifier.is_some() => bytes(&at, source)?,
        _ => Cow::Borrowed(&[][..]),
    };
    if body.len() > limit as usize {
        let value = i64::try_from(body.len()).unwrap_or(i64::MAX);
        return Err(at.refuse(Rule::OutOfRange { value, min: 0, max: limit.into() }));
    }
    Ok(Direct { status, body: (&*body).into() })
}
