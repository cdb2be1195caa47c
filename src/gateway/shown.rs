//! The command line as `/server_info` shows it: Envoy's `CommandLineOptions`. Decides nothing.

use serde_json::{Value, json};
use tracing::Level;

use super::flags::{Flags, Mode, Strategy};

/// All of Envoy's options that mean something here, with their values.
pub(super) fn shown(flags: &Flags, workers: usize) -> Value {
    json!({
        "concurrency": workers,
        "config_path": flags.config_path.clone().unwrap_or_default(),
        "config_yaml": flags.config_yaml.clone().unwrap_or_default(),
        "admin_address_path": flags.admin_address_path.clone().unwrap_or_default(),
        "log_level": level(flags.level),
        "component_log_level": components(&flags.components),
        "log_format": flags.log_format.clone().unwrap_or_default(),
        "log_path": flags.log_path.clone().unwrap_or_default(),
        "service_cluster": flags.cluster,
        "service_node": flags.node,
        "service_zone": flags.zone,
        "drain_time": format!("{}s", flags.drain_time.as_secs()),
        "drain_strategy": match flags.drain_strategy {
            Strategy::Gradual => "Gradual",
            Strategy::Immediate => "Immediate",
        },
        "mode": match flags.mode {
            Mode::Serve => "Serve",
            Mode::Validate => "Validate",
        },
        "disable_hot_restart": true,
        "restart_epoch": 0,
    })
}

/// Envoy's word.
fn level(level: Option<Level>) -> String {
    match level {
        None => "off".to_owned(),
        Some(Level::WARN) => "warning".to_owned(),
        Some(level) => level.to_string().to_lowercase(),
    }
}

fn components(components: &[(String, Option<Level>)]) -> String {
    let each: Vec<String> =
        components.iter().map(|(name, part)| format!("{name}:{}", level(*part))).collect();
    each.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_envoys_names_and_words() {
        let components = vec![("http".to_owned(), Some(Level::DEBUG)), ("main".to_owned(), None)];
        let flags = Flags { level: Some(Level::WARN), components, ..Flags::default() };
        let shown = shown(&flags, 3);
        assert_eq!((&shown["concurrency"], &shown["log_level"]), (&json!(3), &json!("warning")));
        assert_eq!(shown["component_log_level"], "http:debug,main:off");
        assert_eq!((&shown["mode"], &shown["drain_time"]), (&json!("Serve"), &json!("600s")));
    }
}
