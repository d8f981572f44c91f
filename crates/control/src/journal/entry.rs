//! What a line of the log says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use stillhouse_core::rollout::{Abort, Assignment, Rollback, Verb};
use stillhouse_store::ModelName;

/// Who did what, when and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The name of a token, the judge, the server itself.
    pub actor: String,
    /// One word: `promote`, `upload`, `denied`.
    pub action: String,
    /// The model that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub model: Option<ModelName>,
    /// Why, in the actor's own words; may be empty.
    pub reason: String,
    /// The request that asked for it.
    pub request_id: String,
    /// Who answered before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Assignment>,
    /// Who answers from now on: this makes the entry a change, and then it names its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Assignment>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<serde_json::Value>,
}

/// Characters of a name: of an actor, an action, a request.
const NAME_CHARS: usize = 200;

/// Characters of a text that a person wrote or an error says. HTTP refuses longer reasons.
const TEXT_CHARS: usize = 2000;

/// Bytes of everything else as JSON; a report of the judge has about five thousand.
const DETAIL_BYTES: usize = 32 << 10;

impl Entry {
    /// The entry with every field cut to its limit, so that no line of the log grows by what somebody sends.
    pub(super) fn bounded(&self) -> Self {
        Self {
            actor: cut(&self.actor, NAME_CHARS),
            action: cut(&self.action, NAME_CHARS),
            request_id: cut(&self.request_id, NAME_CHARS),
            reason: cut(&self.reason, TEXT_CHARS),
            detail: self.detail.clone().map(bounded_detail),
            ..self.clone()
        }
    }

    /// Whether it takes a version out of service: such an entry must be written even on a full disk.
    pub(super) fn is_emergency(&self) -> bool {
        [Rollback::ACTION, Abort::ACTION].contains(&self.action.as_str())
    }
}

fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn bounded_detail(mut detail: Value) -> Value {
    cut_strings(&mut detail);
    let bytes = detail.to_string().len();
    match bytes > DETAIL_BYTES {
        true => json!({ "left_out_bytes": bytes }),
        false => detail,
    }
}

fn cut_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = cut(text, TEXT_CHARS),
        Value::Array(values) => values.iter_mut().for_each(cut_strings),
        Value::Object(fields) => fields.values_mut().for_each(cut_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An entry with its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Counts the lines from 1.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// The SHA-256, or with a key the HMAC-SHA-256, of the line before and of this one's bytes, as the line states it.
    pub hash: String,
}

/// The bytes that are hashed; the order of the fields is the order in the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Numbered<E> {
    pub(super) seq: u64,
    #[serde(flatten)]
    pub(super) entry: E,
}
