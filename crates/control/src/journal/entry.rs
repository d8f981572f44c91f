//! What a line of the log says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use stillhouse_core::rollout::Assignment;
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

/// An entry with its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    /// Counts the lines from 1.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
    /// The SHA-256 of the line before and of this one's bytes, as the line states it.
    pub hash: String,
}

/// The bytes that are hashed; the order of the fields is the order in the file.
#[derive(Serialize, Deserialize)]
pub(super) struct Numbered<E> {
    pub(super) seq: u64,
    #[serde(flatten)]
    pub(super) entry: E,
}
