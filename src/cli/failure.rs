//! What is printed when a verb fails: text for people or, with `--json`, one object a line for programs, on standard error.

use std::ffi::OsString;

use serde_json::{Map, Value, json};

use super::{exit::Exit, joined_causes, operator::ClientError};

/// How a failure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `error: …`
    Text,
    /// `{"error": …, "code": …, "exit_code": …}`
    Json,
}

impl Form {
    /// JSON for who asks for JSON. This looks at the words, since a command line that can't be read needs a form, too.
    pub(super) fn asked_for(arguments: &[OsString]) -> Self {
        let options = arguments.iter().take_while(|word| *word != "--");
        match options.into_iter().any(|word| word == "--json") {
            true => Self::Json,
            false => Self::Text,
        }
    }

    /// Prints why a verb failed.
    pub(super) fn report(self, error: &anyhow::Error) {
        match self {
            Self::Text => note!("error: {}", joined_causes(error)),
            Self::Json => note!("{}", object(error)),
        }
    }

    /// Prints why a command line can't be read, or the help that it asks for.
    pub(super) fn report_usage(self, error: &clap::Error) -> Exit {
        if !error.use_stderr() {
            say_text!("{}", error.render().ansi_or_plain());
            return Exit::Done;
        }
        match self {
            // Colours, where standard error is a terminal.
            Self::Text => {
                let _ = error.print();
            }
            Self::Json => {
                let text = error.render().to_string();
                let text = text.trim().trim_start_matches("error: ");
                let code = Exit::Usage.code();
                note!(
                    "{}",
                    json!({"error": text, "code": "usage", "exit_code": code})
                );
            }
        }
        Exit::Usage
    }
}

fn object(error: &anyhow::Error) -> Value {
    let client: Option<&ClientError> = error.downcast_ref();
    let mut object = Map::new();
    let text = joined_causes(error);
    let (text, next) = match text.rsplit_once("\nnext: ") {
        Some((text, next)) => (text, Some(next)),
        None => (&*text, None),
    };
    object.insert("error".into(), text.into());
    let code = client.map_or("failed", |error| error.code());
    object.insert("code".into(), code.into());
    if let Some(next) = next {
        object.insert("next".into(), next.into());
    }
    if let Some(problem) = client.and_then(ClientError::problem) {
        object.insert("status".into(), problem.status.into());
        object.insert("request_id".into(), (&*problem.request_id).into());
    }
    object.insert("exit_code".into(), Exit::Failed.code().into());
    object.into()
}

/// Help as it is printed on this standard output.
trait Rendered {
    fn ansi_or_plain(&self) -> String;
}

impl Rendered for clap::builder::StyledStr {
    fn ansi_or_plain(&self) -> String {
        use std::io::IsTerminal;
        match std::io::stdout().is_terminal() {
            true => self.ansi().to_string(),
            false => self.to_string(),
        }
    }
}
