//! What the end of a child means.

use std::process::ExitStatus;

use super::{Validated, ValidationError, ValidationResult};

const SIGKILL: i32 = 9;

/// What allocators and engines write when there is no more memory, in small letters.
const OUT_OF_MEMORY: [&str; 6] = [
    // Rust's own allocator, and tract's.
    "memory allocation of",
    "failed to allocate",
    // ONNX Runtime and C++.
    "bad_alloc",
    "bad allocation",
    // ENOMEM, e.g. when a thread can't have its stack.
    "cannot allocate memory",
    "os error 12",
];

/// The end of a child, with the last bytes of what it wrote.
pub(super) struct Ending {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Ending {
    /// The verdict, where there is one and the child ended well after it: an engine that crashes when it is freed would
    /// do so in the server, too.
    pub(super) fn judge(&self, limit_bytes: u64) -> Result<Validated, ValidationError> {
        let verdict = last_line(&self.stdout).and_then(|line| serde_json::from_str(&line).ok());
        match verdict.filter(|_| self.status.success()) {
            Some(ValidationResult::Good(validated)) => Ok(validated),
            Some(ValidationResult::Refused(reason)) if tells_of_memory(&reason) => {
                Err(ValidationError::OutOfMemory { limit_bytes })
            }
            Some(ValidationResult::Refused(reason)) => Err(ValidationError::Refused(reason)),
            None => Err(self.crash(limit_bytes)),
        }
    }

    fn crash(&self, limit_bytes: u64) -> ValidationError {
        // Nobody here sent this one: it is how the kernel ends whom it can't feed any more.
        let killed = signal(self.status) == Some(SIGKILL);
        if killed || tells_of_memory(&String::from_utf8_lossy(&self.stderr)) {
            return ValidationError::OutOfMemory { limit_bytes };
        }
        ValidationError::Crashed {
            status: self.status,
            last_line: last_line(&self.stderr)
                .map(|line| printable(&line, 300))
                .unwrap_or_default(),
        }
    }
}

fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

fn tells_of_memory(text: &str) -> bool {
    let text = text.to_lowercase();
    OUT_OF_MEMORY.iter().any(|phrase| text.contains(phrase))
}

/// The last line that isn't empty.
fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}

/// At most `limit` characters, none of which moves a cursor.
fn printable(text: &str, limit: usize) -> String {
    let shown = text.chars().filter(|char| !char.is_control());
    shown.take(limit).collect()
}

/// `: ` and the last line of output, if there was any.
pub(super) fn quoted(last_line: &str) -> String {
    if last_line.is_empty() {
        return ", without a word".into();
    }
    format!(": {last_line}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const GOOD: &str =
        r#"{"good":{"engine":"tract","sha256":"ab","warmup":[{"rows":1,"seconds":0.5}]}}"#;

    /// What is made of a raw wait status (a signal, or a code times 256) and both streams.
    fn judged(status: i32, stdout: &str, stderr: &str) -> Result<Validated, String> {
        let ending = Ending {
            status: ExitStatus::from_raw(status),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        ending.judge(1000).map_err(|error| error.to_string())
    }

    #[test]
    fn every_end_has_its_words() {
        let memory = "validation needed more than 1000 bytes of memory (loading.memory_bytes)";
        let flood = format!("{}\u{1b}[2J\u{7}", "x".repeat(400));
        let cut = format!("validation crashed (exit status: 1): {}", "x".repeat(300));
        let cases = [
            (0, r#"{"refused":"wrong"}"#, "", "wrong"),
            (0, r#"{"refused":"tensor: failed to allocate"}"#, "", memory),
            (9, "", "", memory),
            (6, "", "memory allocation of 8 bytes failed", memory),
            (
                11,
                "",
                "",
                "validation crashed (signal: 11 (SIGSEGV)), without a word",
            ),
            // It reported success and crashed when the engine was freed.
            (
                11,
                GOOD,
                "one\n two \n\n",
                "validation crashed (signal: 11 (SIGSEGV)): two",
            ),
            (
                0,
                "",
                "",
                "validation crashed (exit status: 0), without a word",
            ),
            (
                0,
                r#"{"good":{}}"#,
                "",
                "validation crashed (exit status: 0), without a word",
            ),
            (256, "", &flood, &cut),
        ];
        for (status, stdout, stderr, expected) in cases {
            let found = judged(status, stdout, stderr);
            assert_eq!(found, Err(expected.into()), "{status} {stdout} {stderr}");
        }
    }

    #[test]
    fn a_verdict_counts_in_spite_of_what_an_engine_prints_before_it() {
        let stdout = format!("loading...\n{GOOD}\n");
        let validated = judged(0, &stdout, "warning: slow").expect("good");
        assert_eq!(
            (validated.engine.as_str(), validated.sha256.as_str()),
            ("tract", "ab")
        );
        assert_eq!(
            (validated.warmup[0].rows, validated.warmup[0].seconds),
            (1, 0.5)
        );
    }
}
