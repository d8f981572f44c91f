//! Model name → what is served under it; fixed after start, hence without a lock.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    rollout::{RoutingSettings, Slot, Task},
    shadow::Shadow,
};
use stillhouse_store::ModelName;

/// One model: its labels, which don't change while it runs, and the slot that says who answers.
pub struct Model {
    /// Its name, and its classes as they are counted.
    pub task: Task,
    /// One name a class, in the network's order.
    pub labels: Arc<[String]>,
    /// How requests find their role.
    pub routing: RoutingSettings,
    /// Who answers.
    pub slot: Arc<Slot>,
    /// Compares a sample of the answers.
    pub shadow: Shadow,
}

/// All models of this server, as the data plane sees them. What changes them is the control plane's.
pub struct Registry {
    models: BTreeMap<ModelName, Arc<Model>>,
    default: Option<ModelName>,
}

impl Registry {
    /// `default` is the model behind `/predict`; without it, the only one there is.
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

    /// The model that `/predict` means.
    pub fn default_model(&self) -> Option<&Model> {
        self.get(self.default.as_ref()?)
    }

    /// All models, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(AsRef::as_ref)
    }
}
