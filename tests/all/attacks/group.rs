//! A control group with a limit of memory, for one process: version 2 or 1, where this machine lets one be made.

use std::{fs, path::PathBuf};

/// Removed when it is dropped, which its process must have left before.
pub(super) struct Group(PathBuf);

impl Group {
    /// None, with a printed line, where none can be made; RLIMIT_AS would not do, since it limits what is reserved and not what is
    /// used.
    pub(super) fn limited_to(bytes: u64) -> Option<Self> {
        let name = format!("stillhouse-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ];
        let made = versions.into_iter().find_map(|(root, limit)| {
            let group = Self(PathBuf::from(root).join(&name));
            fs::create_dir(&group.0).ok()?;
            // Only the kernel makes these files.
            let has_limit = group.0.join(limit).exists();
            let set = fs::write(group.0.join(limit), bytes.to_string());
            (has_limit && set.is_ok()).then_some(group)
        });
        if made.is_none() {
            println!("skipped: the limit of memory, as no control group can be made here");
        }
        made
    }

    /// What a shell has to do before it becomes the process.
    pub(super) fn entered(&self) -> String {
        format!("echo $$ > {}", self.0.join("cgroup.procs").display())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
