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

    /// The model behind `/predict`.
    pub fn default_model(&self) -> Option<&Model> {
        self.get(self.default.as_ref()?)
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(AsRef::as_ref)
    }
}
