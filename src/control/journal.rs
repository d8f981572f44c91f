//! Crash-safe state and hash-chained audit log.
