//! The folder of state and audit log.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
};

use rustix::fs::{Access, access};

use super::finding::Finding;
use crate::{
    app::limits::free_bytes,
    cli::{models::Size, operator::quoted},
    config::Config,
    control::{
        ControlSettings,
        journal::{self, JournalError, Seal},
    },
};

const AREA: &str = "state";

/// Less than this is gone within a day of busy audit lines.
const LITTLE_BYTES: u64 = 64 << 20;

/// Less than this takes no change any more.
const NOTHING_BYTES: u64 = 1 << 20;

/// Files, their permissions, the chain, the disk.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let folder = &config.control.state_path;
    let mut findings = vec![space(folder)];
    if !folder.exists() {
        let text = format!(
            "{} isn't there yet: the first change makes it",
            folder.display()
        );
        findings.push(Finding::ok(AREA, text));
        return findings;
    }
    let next = "give it to the server's user: chown, or another control.state_path";
    if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let text = format!(
            "{} can't be written to: every change will be refused",
            folder.display()
        );
        findings.push(Finding::warning(AREA, text, next));
    }
    let mut regular = true;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        let kind = metadata.file_type();
        let path = entry.path();
        if kind.is_fifo() || kind.is_socket() || kind.is_symlink() {
            regular = false;
            let text = format!("{} is no regular file", path.display());
            let next = format!("rm {}", quoted(&path.display().to_string()));
            findings.push(Finding::failed(AREA, text, next));
        } else if kind.is_file() && metadata.permissions().mode() & 0o077 != 0 {
            let mode = metadata.permissions().mode() & 0o7777;
            let text = format!("{} is open to others (mode {mode:04o})", path.display());
            let next = format!("chmod 600 {}", quoted(&path.display().to_string()));
            findings.push(Finding::warning(AREA, text, next));
        }
    }
    // Reading a pipe would wait for ever.
    if regular {
        findings.push(chain(&config.control));
    }
    findings
}

fn chain(settings: &ControlSettings) -> Finding {
    let folder = &settings.state_path;
    let verified =
        Seal::of(settings.key_file()).and_then(|seal| journal::verify_with(folder, &seal));
    match verified {
        Ok(verified) => {
            let text = format!(
                "{} lines of the audit log, every hash is correct",
                verified.lines
            );
            Finding::ok(AREA, text)
        }
        Err(JournalError::NoLog { .. }) => Finding::ok(AREA, "no change has been made yet"),
        Err(error) => {
            let folder = quoted(&folder.display().to_string());
            let next = format!("stillhouse audit verify --state {folder}");
            Finding::failed(AREA, error.to_string(), next)
        }
    }
}

fn space(folder: &Path) -> Finding {
    let Some(free) = free_bytes(folder) else {
        let text = format!(
            "the disk of {} can't be asked for its space",
            folder.display()
        );
        return Finding::warning(AREA, text, "df -h");
    };
    let text = format!("{} free where {} lies", Size(free), folder.display());
    let next = format!(
        "df -h {}; delete versions that are no longer used: stillhouse delete VERSION",
        folder.display()
    );
    match free {
        0..NOTHING_BYTES => Finding::failed(AREA, text + ": no change can be written down", next),
        NOTHING_BYTES..LITTLE_BYTES => Finding::warning(AREA, text, next),
        _ => Finding::ok(AREA, text),
    }
}
