//! The secret that lets an operator in.

use ureq::http::HeaderValue;

use super::ClientError;

/// Where tokens are looked for; never a flag, which everybody on the machine could read.
const TOKENS: [&str; 2] = ["STILLHOUSE_TOKEN", "STILLHOUSE_OPERATOR_TOKEN"];

/// The first token that is set, as the header that bears it.
pub(super) fn bearer(
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Option<HeaderValue>, ClientError> {
    let found = TOKENS.into_iter().find_map(|name| {
        let secret = environment(name)?.trim().to_owned();
        (!secret.is_empty()).then_some((name, secret))
    });
    let Some((name, secret)) = found else {
        return Ok(None);
    };
    let mut value =
        HeaderValue::from_str(&format!("Bearer {secret}")).map_err(|_| ClientError::Token(name))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_that_is_set_is_sent() {
        for (variables, expected) in [
            (vec![], None),
            (vec![("STILLHOUSE_OPERATOR_TOKEN", "b")], Some("Bearer b")),
            (
                vec![
                    ("STILLHOUSE_OPERATOR_TOKEN", "b"),
                    ("STILLHOUSE_TOKEN", "a\n"),
                ],
                Some("Bearer a"),
            ),
            (
                vec![("STILLHOUSE_OPERATOR_TOKEN", "b"), ("STILLHOUSE_TOKEN", "")],
                Some("Bearer b"),
            ),
        ] {
            let set = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let value = bearer(set).expect("readable");
            let value = value.as_ref().map(|value| value.to_str().expect("ASCII"));
            assert_eq!(value, expected, "{variables:?}");
        }
        let error = bearer(|_| Some("se\ncret".into())).expect_err("a line break");
        assert!(!error.to_string().contains("cret"), "{error}");
    }
}
