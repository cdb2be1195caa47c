//! `typed_per_filter_config`: settings of a route for a filter. We have no filter that takes any, so what remains is to
//! tell what can be passed over from what would be missed.

use std::collections::{BTreeMap, HashMap};

use forebay_proto::Any;
use forebay_proto::envoy::config::route::v3::FilterConfig;
use forebay_proto::envoy::extensions::filters::http::ext_authz::v3::ExtAuthzPerRoute;

use super::any::{is, unknown, unpack};
use super::at::At;
use super::invalid::Invalid;

/// Refuses, by type, settings for filters that nobody here knows.
pub(crate) fn per_filter(at: &At<'_>, settings: &HashMap<String, Any>) -> Result<(), Invalid> {
    if settings.is_empty() {
        return Ok(());
    }
    let at = at.field("typed_per_filter_config");
    // In order, so that of two errors the same one is told every time.
    for (key, any) in settings.iter().collect::<BTreeMap<_, _>>() {
        let at = at.key(key);
        // A listener with the ext_authz filter is refused, so nothing it could be told about a route matters. Kourier
        // turns it off on its status host even where it was never on.
        if is::<ExtAuthzPerRoute>(any) {
            continue;
        }
        if is::<FilterConfig>(any) {
            let config: FilterConfig = unpack(&at, any)?;
            if config.is_optional || config.disabled {
                continue;
            }
            let at = at.field("config");
            return Err(config
                .config
                .as_ref()
                .map_or_else(|| unknown(&at, any), |inner| unknown(&at, inner)));
        }
        return Err(unknown(&at, any));
    }
    Ok(())
}
