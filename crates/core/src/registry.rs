//! Model name → its slot and shadow. Fixed after start, so no lock is needed.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    rollout::{RoutingSettings, Slot, Task},
    shadow::Shadow,
};
use stillhouse_store::ModelName;

/// One model: its labels, which don't change while the server runs, and the slot that holds its deployment.
pub struct Model {
    /// Its name, and its class names in the metrics.
    pub task: Task,
    /// One name per class, in the network's order.
    pub labels: Arc<[String]>,
    /// How a request's role is chosen.
    pub routing: RoutingSettings,
    /// The current deployment.
    pub slot: Arc<Slot>,
    /// Compares a sample of the answers.
    pub shadow: Shadow,
}

/// No model of this server has the name; says which names there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no model of this name; this server has {there}")]
pub struct UnknownModel {
    there: String,
}

/// So many names fit into one sentence.
const NAMES_LISTED: usize = 10;

/// All models of this server, as the data plane sees them. Only the control plane changes what they serve.
pub struct Registry {
    models: BTreeMap<ModelName, Arc<Model>>,
    default: Option<ModelName>,
}

impl Registry {
    /// `default` is the model behind `/predict`; without it, `/predict` works only if there is a single model.
    pub fn new(models: impl IntoIterator<Item = Arc<Model>>, default: Option<&str>) -> Self {
        let models: BTreeMap<ModelName, Arc<Model>> = models
            .into_iter()
            .map(|model| (model.task.name.clone(), model))
            .collect();
        let default = match default {
            Some(name) => models.get_key_value(name).map(|(name, _)| name.clone()),
            None if models.len() == 1 => models.keys().next().cloned(),
            None => None,
        };
        Self { models, default }
    }

    /// A model by its name.
    pub fn get(&self, name: &str) -> Option<&Model> {
        self.models.get(name).map(AsRef::as_ref)
    }

    /// A model by its name.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn find(&self, name: &str) -> Result<&Model, UnknownModel> {
        self.get(name).ok_or_else(|| self.unknown())
    }

    /// The error that lists the names of the models that there are.
    pub fn unknown(&self) -> UnknownModel {
        let mut names: Vec<&str> = self.models.keys().map(ModelName::as_str).collect();
        let more = names.len().saturating_sub(NAMES_LISTED);
        names.truncate(NAMES_LISTED);
        let mut there = names.join(", ");
        if names.is_empty() {
            there += "none";
        }
        if more > 0 {
            there += &format!(" and {more} more");
        }
        UnknownModel { there }
    }

    /// The model behind `/predict`.
    pub fn default_model(&self) -> Option<&Model> {
        self.get(self.default.as_ref()?)
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(AsRef::as_ref)
    }
}
