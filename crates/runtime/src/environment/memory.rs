//! How much memory this process may have.

use std::fs;

/// What a machine has that does not tell.
const BYTES_UNKNOWN: usize = 2 << 30;

/// Bytes of memory: those of the machine, or of the control group where that allows less.
pub fn memory_bytes() -> usize {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = group.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok()).min();
    machine.into_iter().chain(group).min().unwrap_or(BYTES_UNKNOWN)
}

/// `MemTotal:  24689016 kB`
fn total(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_and_a_strange_file_is_none() {
        assert_eq!(total("MemTotal:       24689016 kB\nMemFree: 1 kB\n"), Some(24_689_016 * 1024));
        assert_eq!(total("MemFree: 1 kB"), None);
        assert!(memory_bytes() > 1 << 20);
    }
}
