//! What the machine gives against what the configuration may need.

use super::finding::Finding;
use crate::{
    app::limits::{descriptors_allowed, descriptors_needed, memory_bytes},
    cli::models::Size,
    config::Config,
};

const AREA: &str = "limits";

/// Open files and memory.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    vec![
        descriptors(config, descriptors_allowed()),
        memory(config, memory_bytes()),
    ]
}

/// `allowed` are the soft and the hard limit; none stands for no limit. A server raises its soft limit itself.
fn descriptors(config: &Config, (soft, hard): (Option<u64>, Option<u64>)) -> Finding {
    let needed = descriptors_needed(config);
    let (data, admin) = (
        config.connections.max_connections,
        config.connections.max_admin_connections,
    );
    let text = |allowed: u64| {
        format!(
            "{allowed} open files, and {data} connections and {admin} of operators need {needed}"
        )
    };
    match (soft, hard) {
        (_, Some(hard)) if hard < needed => {
            let next = format!(
                "raise the hard limit of {hard} (LimitNOFILE={needed} in the unit of systemd, --ulimit nofile={needed} in \
                 Docker); otherwise a server takes fewer connections"
            );
            Finding::warning(AREA, text(hard), next)
        }
        (_, Some(hard)) => Finding::ok(AREA, text(hard)),
        (Some(soft), None) if soft < needed => Finding::ok(AREA, text(needed)),
        (Some(soft), None) => Finding::ok(AREA, text(soft)),
        (None, None) => Finding::ok(AREA, "as many open files as it wants"),
    }
}

fn memory(config: &Config, available: Option<u64>) -> Finding {
    let needed = config.requests.bytes_in_flight(available) as u64;
    let child = config.loading.memory_bytes;
    let Some(available) = available else {
        return Finding::ok(AREA, "memory isn't limited as far as can be seen");
    };
    let text = format!(
        "{} of memory; requests may hold {} at their limits, beside the networks",
        Size(available),
        Size(needed)
    );
    if needed > available / 2 {
        let next = "lower requests.max_bytes_in_flight, or give it more memory";
        return Finding::warning(AREA, text, next);
    }
    if config.loading.child_process && child > available {
        let text = format!(
            "a version that is validated may allocate {} (loading.memory_bytes), and there are {}",
            Size(child),
            Size(available)
        );
        let next = format!("set loading.memory_bytes = {}", (available - needed) / 2);
        return Finding::warning(AREA, text, next);
    }
    Finding::ok(AREA, text)
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Health, *};

    #[test]
    fn too_few_descriptors_name_the_limit_to_raise() {
        let config = Config::default();
        for (allowed, health, next) in [
            ((Some(1024), Some(4096)), Health::Ok, ""),
            (
                (Some(1024), Some(1100)),
                Health::Warning,
                "LimitNOFILE=1152",
            ),
            ((Some(1024), None), Health::Ok, ""),
            ((Some(2112), Some(2112)), Health::Ok, ""),
            ((None, None), Health::Ok, ""),
        ] {
            let found = descriptors(&config, allowed);
            assert_eq!(found.health, health, "{found}");
            assert!(found.next.unwrap_or_default().contains(next), "{next}");
        }
    }

    #[test]
    fn little_memory_is_reported() {
        let mut config = Config::default();
        config.requests.max_bytes_in_flight = 256 << 20;
        let gigabyte = 1_u64 << 30;
        for (available, validation, health) in [
            (None, 4 * gigabyte, Health::Ok),
            (Some(64 * gigabyte), 4 * gigabyte, Health::Ok),
            (Some(gigabyte / 4), gigabyte / 8, Health::Warning),
            (Some(4 * gigabyte), 5 * gigabyte, Health::Warning),
        ] {
            config.loading.memory_bytes = validation;
            let found = memory(&config, available);
            assert_eq!(found.health, health, "{found}");
        }
    }
}
