//! How much memory the process has, by `/proc`. Knows no allocator.

use forebay_engine::admin::Memory;

/// Resident bytes. The allocator is not asked (it would have to be by `unsafe`): what it keeps for later counts as used.
pub(super) fn of_process() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let anonymous = kib("RssAnon") * 1024;
    Memory { allocated: anonymous, heap: anonymous, resident: kib("VmRSS") * 1024 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_resident() {
        let before = of_process();
        assert!(before.allocated > 0 && before.resident >= before.allocated, "{before:?}");
        let block = vec![1u8; 64 << 20];
        let after = of_process();
        assert!(after.resident >= before.resident + (48 << 20), "{before:?} {after:?} {}", block.len());
    }
}
