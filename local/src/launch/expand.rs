//! Kubernetes' `$(NAME)` in commands, arguments and variables. Knows nothing of where values come from.

/// Replaces `$(NAME)` where `value` knows the name; an unknown one stays as written. `$$` is a literal `$`, so that
/// `$$(NAME)` is the text `$(NAME)`. Nothing is expanded twice.
pub(crate) fn expand<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            match value(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cases of Kubernetes' own third_party/forked/golang/expansion tests that differ in kind.
    #[test]
    fn expands_as_kubernetes_does() {
        let value = |name: &str| match name {
            "VAR_A" => Some("A"),
            "VAR_REF" => Some("$(VAR_A)"),
            "EMPTY" => Some(""),
            _ => None,
        };
        for (text, want) in [
            ("$(VAR_A)", "A"),
            ("___$(VAR_A)___$(VAR_A)", "___A___A"),
            ("$(VAR_REF)", "$(VAR_A)"),
            ("$$(VAR_A)", "$(VAR_A)"),
            ("$$$(VAR_A)", "$A"),
            ("$$$$(VAR_A)", "$$(VAR_A)"),
            ("$(UNKNOWN)-$(VAR_A)", "$(UNKNOWN)-A"),
            ("a$(EMPTY)b", "ab"),
            ("$VAR_A $ $", "$VAR_A $ $"),
            ("$(VAR_A", "$(VAR_A"),
            ("$", "$"),
            ("$$", "$"),
            ("$()", "$()"),
            ("é$(VAR_A)é", "éAé"),
        ] {
            assert_eq!(expand(text, value), want, "{text}");
        }
    }
}
