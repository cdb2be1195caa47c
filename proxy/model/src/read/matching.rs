//! `route.v3.RouteMatch`: path, headers, query parameters.

use forebay_proto::envoy::config::route::v3 as pb;
use forebay_proto::envoy::r#type::matcher::v3 as matcher;
use forebay_proto::envoy::r#type::v3::{FractionalPercent, fractional_percent::DenominatorType};
use forebay_route::{
    Fraction, HeaderKey, HeaderMatch, HeaderRule, PathMatch, PathRule, Pattern, QueryMatch, QueryRule,
    RouteMatch, TextMatch, TextRule,
};

use super::at::At;
use super::fields::fields;
use super::headers::is_token;
use super::invalid::{Invalid, Rule};
use super::scalar::{choice, each, flag};
use crate::names::Names;

/// Reads a route's condition.
pub(crate) fn route_match(
    at: &At<'_>,
    message: &pb::RouteMatch,
    names: &mut Names,
) -> Result<RouteMatch, Invalid> {
    fields!(at, message => pb::RouteMatch {
        read: [case_sensitive, runtime_fraction, headers, query_parameters, grpc, path_specifier],
        harmless: [],
        refused: [cookies, tls_context, dynamic_metadata, filter_state],
    });
    let Some(path) = path_specifier else { return Err(at.missing("path_specifier")) };
    Ok(RouteMatch {
        path: PathMatch { rule: path_rule(at, path, names)?, ignore_case: !flag(case_sensitive, true) },
        headers: each(&at.field("headers"), headers, |at, header| header_match(at, header, names))?.into(),
        query: each(&at.field("query_parameters"), query_parameters, |at, query| {
            query_match(at, query, names)
        })?
        .into(),
        grpc: grpc.is_some(),
        fraction: runtime_fraction
            .as_ref()
            .map(|f| fraction(&at.field("runtime_fraction"), f))
            .transpose()?,
    })
}

fn path_rule(
    at: &At<'_>,
    path: &pb::route_match::PathSpecifier,
    names: &mut Names,
) -> Result<PathRule, Invalid> {
    use pb::route_match::PathSpecifier::{
        ConnectMatcher, Path, PathMatchPolicy, PathSeparatedPrefix, Prefix, SafeRegex,
    };
    Ok(match path {
        Prefix(text) => PathRule::Prefix(names.text(text)),
        Path(text) => PathRule::Exact(names.text(text)),
        PathSeparatedPrefix(text) => {
            // Envoy's own rule: the separator is what may follow, so it cannot be the end.
            if !text.starts_with('/') || text.ends_with('/') {
                return Err(at.field("path_separated_prefix").unsupported(text));
            }
            PathRule::Segments(names.text(text))
        }
        SafeRegex(regex) => PathRule::Regex(pattern(&at.field("safe_regex"), regex)?),
        ConnectMatcher(_) => PathRule::Connect,
        PathMatchPolicy(policy) => {
            let at = at.field("path_match_policy");
            let any = policy.typed_config.as_ref();
            return Err(any.map_or_else(|| at.missing("typed_config"), |any| super::any::unknown(&at, any)));
        }
    })
}

/// Reads a regular expression that has to match a whole text.
pub(crate) fn pattern(at: &At<'_>, regex: &matcher::RegexMatcher) -> Result<Pattern, Invalid> {
    // There is one engine left; limits on its program are ours.
    let at = at.field("regex");
    if regex.regex.is_empty() {
        return Err(at.refuse(Rule::Empty));
    }
    Pattern::new(&regex.regex).map_err(|e| at.refuse(Rule::BadRegex(e.to_string())))
}

/// Reads a condition on a header; retry policies and others have the same.
pub(crate) fn header_match(
    at: &At<'_>,
    message: &pb::HeaderMatcher,
    names: &mut Names,
) -> Result<HeaderMatch, Invalid> {
    use pb::header_matcher::HeaderMatchSpecifier::{
        ContainsMatch, ExactMatch, PrefixMatch, PresentMatch, RangeMatch, SafeRegexMatch, StringMatch,
        SuffixMatch,
    };
    fields!(at, message => pb::HeaderMatcher {
        read: [name, invert_match, treat_missing_header_as_empty, header_match_specifier],
        harmless: [],
        refused: [],
    });
    if !is_token(name.strip_prefix(':').unwrap_or(name)) {
        return Err(at.field("name").refuse(Rule::BadHeaderName(name.clone())));
    }
    let mut text = |make: fn(std::sync::Arc<str>) -> TextRule, text: &str| {
        HeaderRule::Text(make(names.text(text)).into())
    };
    let rule = match header_match_specifier {
        // A matcher that names nothing but the header asks whether it is there.
        None => HeaderRule::Present(true),
        Some(PresentMatch(wanted)) => HeaderRule::Present(*wanted),
        Some(RangeMatch(range)) => HeaderRule::Range(range.start..range.end),
        Some(StringMatch(string)) => HeaderRule::Text(text_match(&at.field("string_match"), string, names)?),
        Some(SafeRegexMatch(regex)) => {
            HeaderRule::Text(TextRule::Regex(pattern(&at.field("safe_regex_match"), regex)?).into())
        }
        Some(ExactMatch(exact)) => text(TextRule::Exact, exact),
        Some(PrefixMatch(prefix)) => text(TextRule::Prefix, prefix),
        Some(SuffixMatch(suffix)) => text(TextRule::Suffix, suffix),
        Some(ContainsMatch(part)) => text(TextRule::Contains, part),
    };
    let key = match HeaderKey::parse(name) {
        HeaderKey::Name(name) => HeaderKey::Name(names.text(&name)),
        pseudo => pseudo,
    };
    Ok(HeaderMatch { key, rule, invert: *invert_match, missing_is_empty: *treat_missing_header_as_empty })
}

fn query_match(
    at: &At<'_>,
    message: &pb::QueryParameterMatcher,
    names: &mut Names,
) -> Result<QueryMatch, Invalid> {
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier::{PresentMatch, StringMatch};
    fields!(at, message => pb::QueryParameterMatcher {
        read: [name, query_parameter_match_specifier],
        harmless: [],
        refused: [],
    });
    if name.is_empty() {
        return Err(at.field("name").refuse(Rule::Empty));
    }
    let rule = match query_parameter_match_specifier {
        None => QueryRule::Present(true),
        Some(PresentMatch(wanted)) => QueryRule::Present(*wanted),
        Some(StringMatch(string)) => QueryRule::Text(text_match(&at.field("string_match"), string, names)?),
    };
    Ok(QueryMatch { name: names.text(name), rule })
}

/// Reads a condition on a text.
pub(crate) fn text_match(
    at: &At<'_>,
    message: &matcher::StringMatcher,
    names: &mut Names,
) -> Result<TextMatch, Invalid> {
    use matcher::string_matcher::MatchPattern::{Contains, Custom, Exact, Prefix, SafeRegex, Suffix};
    fields!(at, message => matcher::StringMatcher {
        read: [ignore_case, match_pattern],
        harmless: [],
        refused: [],
    });
    let rule = match match_pattern {
        None => return Err(at.missing("match_pattern")),
        Some(Exact(text)) => TextRule::Exact(names.text(text)),
        Some(Prefix(text)) => TextRule::Prefix(names.text(text)),
        Some(Suffix(text)) => TextRule::Suffix(names.text(text)),
        Some(Contains(text)) => TextRule::Contains(names.text(text)),
        Some(SafeRegex(regex)) => TextRule::Regex(pattern(&at.field("safe_regex"), regex)?),
        Some(Custom(custom)) => return Err(at.field("custom").unsupported(&custom.name)),
    };
    Ok(TextMatch { rule, ignore_case: *ignore_case })
}

/// There is no runtime to look the key up in, so the default is the value, as in an Envoy nobody has told otherwise.
pub(crate) fn fraction(
    at: &At<'_>,
    message: &forebay_proto::envoy::config::core::v3::RuntimeFractionalPercent,
) -> Result<Fraction, Invalid> {
    match &message.default_value {
        Some(percent) => share(at, percent),
        None => Err(at.missing("default_value")),
    }
}

/// Reads a share of requests.
pub(crate) fn share(at: &At<'_>, percent: &FractionalPercent) -> Result<Fraction, Invalid> {
    let denominator = match choice(at.field("denominator"), percent.denominator)? {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Ok(Fraction { numerator: percent.numerator, denominator })
}
