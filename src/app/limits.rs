//! What a configuration may need of the machine, and what the machine gives.

use std::{fs, path::Path};

use rustix::process::{Resource, getrlimit};

use crate::{config::Config, http::listener::Descriptors};

/// Open files that a server needs when both listeners are full.
pub fn descriptors_needed(config: &Config) -> u64 {
    Descriptors::needed(&config.connections)
}

/// Open files that this process may have: now, and at most if it asks for more. None stands for no limit.
pub fn descriptors_allowed() -> (Option<u64>, Option<u64>) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current, limit.maximum)
}

/// Bytes that all requests together may hold: bodies, pictures, answers.
pub fn bytes_in_flight(config: &Config) -> usize {
    config.requests.bytes_in_flight(memory_bytes())
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
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Version 1 has a tree of its own for memory, in which this process may see the group's files at the root.
    let own = |is_meant: fn(&str) -> bool| {
        let mut lines = groups.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find_map(|(_, line)| {
            let (controllers, path) = line.split_once(':')?;
            is_meant(controllers).then_some(path)
        });
        found.unwrap_or("/").trim_start_matches('/').to_owned()
    };
    let second = least_above(root, &own(str::is_empty), "memory.max");
    let is_memory = |names: &str| names.split(',').any(|name| name == "memory");
    let first = least_above(
        &root.join("memory"),
        &own(is_memory),
        "memory.limit_in_bytes",
    );
    second.into_iter().chain(first).min()
}

/// The least number in files of this name, from a folder up to the root.
fn least_above(root: &Path, folder: &str, file: &str) -> Option<u64> {
    let folder = root.join(folder);
    let folders = folder.ancestors().take_while(|at| at.starts_with(root));
    let numbers =
        folders.filter_map(|at| fs::read_to_string(at.join(file)).ok()?.trim().parse().ok());
    numbers.min()
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
        let quarter = memory_bytes().map_or(256 << 20, |bytes| bytes / 4);
        assert_eq!(bytes_in_flight(&config) as u64, quarter.min(1 << 30));
        config.requests.max_bytes_in_flight = 1000;
        assert_eq!(bytes_in_flight(&config), 1000);
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
        let first = folder.path().join("memory");
        fs::create_dir(&first).expect("a folder");
        fs::write(first.join("memory.limit_in_bytes"), "4096\n").expect("written");
        assert_eq!(group_bytes(folder.path()), Some(4096));
    }
}
