//! Divides the file descriptors that the process may have: strangers never get those that operators and the state need.

use super::ConnectionSettings;

/// For the state, the models, uploads, child processes, libraries, and the runtime's own.
const OWN: u64 = 64;

/// A limit below this is no use.
const LEAST_CONNECTIONS: u64 = 16;
const LEAST_ADMIN_CONNECTIONS: u64 = 8;

/// The process may have too few.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process may open only {limit} files at a time, and needs {needed} at least: raise the limit (`ulimit -n`, \
     LimitNOFILE= of systemd, --ulimit nofile= of Docker)"
)]
pub struct DescriptorError {
    limit: u64,
    needed: u64,
}

/// How many connections each listener may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Of the data listener.
    pub data: usize,
    /// Of the admin listener.
    pub admin: usize,
}

impl Descriptors {
    /// Raises the process's soft limit as far as these connections need it and the hard limit allows it, and lowers the
    /// numbers of connections to what there is; a log line says so.
    ///
    /// # Errors
    /// There are too few for a server.
    pub fn secure(settings: &ConnectionSettings) -> Result<Self, DescriptorError> {
        let wanted = Self {
            data: settings.max_connections,
            admin: settings.max_admin_connections,
        };
        let divided = Self::divide(wanted, limit(Self::needed(settings)))?;
        if divided != wanted {
            tracing::warn!(
                max_connections = divided.data,
                max_admin_connections = divided.admin,
                configured = wanted.data,
                "fewer connections than configured: the process may not open as many files (`ulimit -n`)"
            );
        }
        Ok(divided)
    }

    /// How many the process needs when both listeners are full.
    pub fn needed(settings: &ConnectionSettings) -> u64 {
        let connections = settings.max_connections as u64;
        let admin = settings.max_admin_connections as u64;
        OWN.saturating_add(connections).saturating_add(admin)
    }

    /// Pure.
    fn divide(wanted: Self, limit: u64) -> Result<Self, DescriptorError> {
        let (data, admin) = (wanted.data as u64, wanted.admin as u64);
        if OWN.saturating_add(data).saturating_add(admin) <= limit {
            return Ok(wanted);
        }
        // Operators get an eighth, if they want so much.
        let admin = admin.min((limit / 8).max(LEAST_ADMIN_CONNECTIONS));
        let data = data.min(limit.saturating_sub(OWN + admin));
        let needed = OWN + admin + LEAST_CONNECTIONS.min(wanted.data as u64);
        if OWN + admin + data < needed || limit < needed {
            return Err(DescriptorError { limit, needed });
        }
        Ok(Self {
            data: usize::try_from(data).unwrap_or(usize::MAX),
            admin: usize::try_from(admin).unwrap_or(usize::MAX),
        })
    }
}

/// The number of descriptors that the process may have, after it has been raised for what is needed.
fn limit(needed: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let own = getrlimit(Resource::Nofile);
    let unlimited = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    let (soft, hard) = (unlimited(own.current), unlimited(own.maximum));
    if soft >= needed {
        return soft;
    }
    let raised = needed.min(hard);
    let limit = Rlimit {
        current: Some(raised),
        maximum: own.maximum,
    };
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => raised,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files could not be raised");
            soft
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_operators_and_the_state_keep_theirs() {
        let wanted = Descriptors {
            data: 1024,
            admin: 64,
        };
        let of = |data, admin| Ok(Descriptors { data, admin });
        for (limit, divided) in [
            (1_000_000, of(1024, 64)),
            (1152, of(1024, 64)),
            (1024, of(896, 64)),
            (256, of(160, 32)),
            (128, of(48, 16)),
            (
                64,
                Err(DescriptorError {
                    limit: 64,
                    needed: 88,
                }),
            ),
            (
                87,
                Err(DescriptorError {
                    limit: 87,
                    needed: 90,
                }),
            ),
        ] {
            assert_eq!(Descriptors::divide(wanted, limit), divided, "{limit}");
        }
        let few = Descriptors { data: 4, admin: 2 };
        assert_eq!(Descriptors::divide(few, 70), Ok(few));
    }
}
