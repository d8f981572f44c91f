//! Variables whose names begin with `STILLHOUSE`: those that are read, and those that somebody believes are read.

use crate::strict::suggest;

/// `STILLHOUSE__SERVER__LISTEN=0.0.0.0:80` sets `server.listen`.
const PREFIX: &str = "STILLHOUSE__";

/// Variables that are read and are no keys of the configuration.
const KNOWN: [&str; 6] = [
    "STILLHOUSE_ADMIN",
    "STILLHOUSE_CONFIG",
    "STILLHOUSE_OPERATOR_TOKEN",
    "STILLHOUSE_REVISION",
    "STILLHOUSE_TOKEN",
    "STILLHOUSE_VIEWER_TOKEN",
];

/// The dotted key that a variable sets, if its name has the prefix.
pub(super) fn key(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix(PREFIX)?;
    Some(rest.replace("__", ".").to_lowercase())
}

/// A warning for each variable that looks like one of this program's and isn't read, with the name that was meant.
/// `keys` are the dotted keys of the configuration.
pub(super) fn unread<'a>(
    variables: impl IntoIterator<Item = &'a str>,
    keys: &[String],
) -> Vec<String> {
    let ours = |name: &&str| name.to_ascii_uppercase().starts_with("STILLHOUSE");
    let mut names: Vec<&str> = variables.into_iter().filter(ours).collect();
    names.sort_unstable();
    names
        .into_iter()
        .filter(|name| !name.starts_with(PREFIX) && !KNOWN.contains(name))
        .filter(|name| !of_a_service(name))
        .map(|name| format!("the variable {name} isn't read: {}", meant(name, keys)))
        .collect()
}

/// Kubernetes sets these in every pod beside a service that is called `stillhouse…`, and Docker's links do the same.
fn of_a_service(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let ends = |tail: &[&str]| parts.ends_with(tail);
    ends(&["SERVICE", "HOST"])
        || name.contains("_SERVICE_PORT")
        || ends(&["PORT"]) && parts.len() == 2
        || parts.windows(3).any(|three| {
            three[0] == "PORT"
                && three[1].parse::<u16>().is_ok()
                && matches!(three[2], "TCP" | "UDP" | "SCTP")
        })
}

/// `did you mean …`, by the letters alone: a person who forgets an underscore has the rest right.
fn meant(name: &str, keys: &[String]) -> String {
    let letters = |text: &str| -> String {
        let plain = text.chars().filter(char::is_ascii_alphanumeric);
        plain.map(|c| c.to_ascii_lowercase()).collect()
    };
    let variable = |key: &String| PREFIX.to_owned() + &key.to_uppercase().replace('.', "__");
    let variables: Vec<String> = keys.iter().map(variable).collect();
    let known = KNOWN.iter().copied();
    let all: Vec<&str> = known.chain(variables.iter().map(String::as_str)).collect();
    let exact = all.iter().find(|known| letters(known) == letters(name));
    match exact {
        Some(exact) => format!("did you mean `{exact}`?"),
        None => match suggest(name, &all) {
            near if near.starts_with("did you mean") => near,
            _ => {
                "keys of the configuration are STILLHOUSE__TABLE__KEY, with two underscores".into()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d10_variables_that_nobody_reads_are_reported_with_the_likely_name() {
        let keys = ["batch.queue", "batch.max_batch", "server.admin_listen"];
        let keys = keys.map(str::to_owned);
        for (name, meant) in [
            ("STILLHOUSE_BATCH_QUEUE", "`STILLHOUSE__BATCH__QUEUE`"),
            (
                "STILLHOUSE_BATCH__MAX_BATCH",
                "`STILLHOUSE__BATCH__MAX_BATCH`",
            ),
            (
                "STILLHOUSE_SERVER_ADMIN_LISTEN",
                "`STILLHOUSE__SERVER__ADMIN_LISTEN`",
            ),
            ("STILLHOUSE_TOKENS", "`STILLHOUSE_TOKEN`"),
            ("STILLHOUSE_OPERATOR_TOKN", "`STILLHOUSE_OPERATOR_TOKEN`"),
            ("STILLHOUSE_BATCH_QEUE", "`STILLHOUSE__BATCH__QUEUE`"),
            ("stillhouse_token", "`STILLHOUSE_TOKEN`"),
            ("STILLHOUSE_COLOUR_OF_THE_SKY", "two underscores"),
        ] {
            let found = unread([name, "PATH"], &keys);
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(
                found[0].contains(name) && found[0].contains(meant),
                "{found:?}"
            );
        }
        let silent = [
            "STILLHOUSE_TOKEN",
            "STILLHOUSE_CONFIG",
            "STILLHOUSE__BATCH__QUEUE",
            "STILLHOUSE_SERVICE_HOST",
            "STILLHOUSE_SERVICE_PORT_ADMIN",
            "STILLHOUSE_PORT",
            "STILLHOUSE_PORT_8080_TCP_ADDR",
            "STILLHOUSE_ADMIN_PORT_8081_TCP",
        ];
        assert_eq!(unread(silent, &keys), Vec::<String>::new());
    }
}
