//! What differs between two objects, field by field, for people. Knows nothing of the objects.

use serde::Serialize;
use serde_json::Value;

/// `spec.containers[0].image: -"a" +"b"`, one a field, parted by commas. Empty if nothing differs.
pub(super) fn of<T: Serialize>(old: &T, new: &T) -> String {
    let (Ok(old), Ok(new)) = (serde_json::to_value(old), serde_json::to_value(new)) else {
        return String::new();
    };
    let mut differences = Vec::new();
    walk("", &old, &new, &mut differences);
    differences.join(", ")
}

fn walk(path: &str, old: &Value, new: &Value, out: &mut Vec<String>) {
    const ABSENT: &Value = &Value::Null;
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            for (name, value) in old {
                walk(&join(path, name), value, new.get(name).unwrap_or(ABSENT), out);
            }
            for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                walk(&join(path, name), ABSENT, value, out);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let at = |list: &[Value]| list.get(index).unwrap_or(ABSENT).clone();
                walk(&format!("{path}[{index}]"), &at(old), &at(new), out);
            }
        }
        (Value::Null, new) => out.push(format!("{path}: +{new}")),
        (old, Value::Null) => out.push(format!("{path}: -{old}")),
        (old, new) => out.push(format!("{path}: -{old} +{new}")),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
