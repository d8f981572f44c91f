//! What a configuration may need of the machine, and what the machine gives.

use std::{fs, path::Path};

use rustix::process::{Resource, getrlimit};

use crate::{config::Config, http::listener::Descriptors};

/// Bytes per pixel that the most expensive picture needs while it is decoded.
const DECODING_BYTES_PER_PIXEL: u64 = 12;

/// Open files that a server needs when both listeners are full.
pub fn descriptors_needed(config: &Config) -> u64 {
    Descriptors::needed(&config.connections)
}

/// Open files that this process may have: now, and at most if it asks for more. None stands for no limit.
pub fn descriptors_allowed() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum)
}

/// Bytes that requests may hold at the limits: bodies, answers, and one picture a core being decoded.
pub fn request_bytes(config: &Config) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let picture = config
        .image
        .max_pixels
        .saturating_mul(DECODING_BYTES_PER_PIXEL);
    let bodies = config.requests.max_bytes_in_flight as u64;
    bodies.saturating_add(picture.saturating_mul(cores))
}

/// Bytes of memory that this process may use: of the control group or of the machine, whichever is less.
pub fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    });
    [machine, group_bytes(Path::new("/sys/fs/cgroup"))]
        .into_iter()
        .flatten()
        .min()
}

/// The smallest limit of this process's control group and those above it.
fn group_bytes(root: &Path) -> Option<u64> {
    let number =
        |path: &Path| -> Option<u64> { fs::read_to_string(path).ok()?.trim().parse().ok() };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let mut folder = root.join(own.unwrap_or("/").trim_start_matches('/'));
    // Version 1 has one folder and its own name for it.
    let mut least = number(&root.join("memory/memory.limit_in_bytes"));
    while folder.starts_with(root) {
        least = least
            .into_iter()
            .chain(number(&folder.join("memory.max")))
            .min();
        if !folder.pop() {
            break;
        }
    }
    least
}

/// Bytes that a user without privileges may still write where `path` lies, or would lie.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(existing).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_follow_the_configuration() {
        let mut config = Config::default();
        assert_eq!(descriptors_needed(&config), 1024 + 64 + 64);
        config.connections.max_connections = 10;
        assert_eq!(descriptors_needed(&config), 138);
        let before = request_bytes(&config);
        config.requests.max_bytes_in_flight += 1000;
        assert_eq!(request_bytes(&config), before + 1000);
    }

    #[test]
    fn the_machine_says_what_it_gives() {
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
        let (now, most) = descriptors_allowed();
        assert!(now.is_some_and(|now| most.is_none_or(|most| now <= most)));
        assert!(free_bytes(Path::new("a/folder/that/is/not/there")).is_some());
    }

    #[test]
    fn the_smallest_group_limit_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(group_bytes(folder.path()), None);
        fs::write(folder.path().join("memory.max"), "max\n").expect("written");
        assert_eq!(group_bytes(folder.path()), None);
        fs::write(folder.path().join("memory.max"), "1073741824\n").expect("written");
        assert_eq!(group_bytes(folder.path()), Some(1 << 30));
    }
}
