//! A slot with stable, a canary at 10 % and a teacher at 5 %, so every request is routed.

use std::{sync::Arc, time::Duration};

use stillhouse::{
    batch::Delivery,
    metrics::{Classes, Metrics},
    rollout::{
        Assignment, Change, Deployment, Plan, RolloutMetrics, SetSplit, SetTeacher, Share, Slot,
        StartCanary, Task,
    },
    store::VersionName,
    version::{BatchSettings, EngineSettings, Launcher},
    watchdog::Effort,
};
use stillhouse_engine::{Blueprint, Priority, scripted::Scripted};

use super::network;

/// The same version in every seat, on an engine that follows a script: routing doesn't use it.
pub(crate) fn slot() -> anyhow::Result<Slot> {
    let metrics = Metrics::new();
    let prepare = |_: &_, _: &_| {
        let zeros = |_: &[f32], rows| Ok(vec![0.0; rows * network::CLASSES]);
        let scripted = Scripted::new(network::transform().row_len(), network::CLASSES, zeros);
        Ok(Arc::new(scripted.with_batch_limit(1)) as Arc<dyn Blueprint>)
    };
    let launcher = Launcher::new(&metrics, Arc::new(prepare), Delivery::Direct);
    // No library is searched for, on any machine.
    let engine = EngineSettings {
        backend: "tract".into(),
        ..Default::default()
    };
    let files = network::files(&b"a script".as_slice().into(), ["input", "output"])?;
    let batch = BatchSettings::default();
    let effort = Effort::of(Priority::Foreground, Duration::from_secs(60));
    let version = launcher.launch(files, &engine, &batch, None, effort)?;

    let share = |points| Share::new(points).expect("a share");
    let mut assignment = Assignment::first("s1".parse()?);
    for step in [
        Change::from(StartCanary {
            version: "s2".parse()?,
            share: Some(share(1000)),
            plan: Plan::Manual,
        }),
        Change::from(SetTeacher {
            version: Some("teacher-1".parse()?),
        }),
        Change::from(SetSplit {
            canary: None,
            teacher: Some(share(500)),
        }),
    ] {
        assignment = assignment.apply(&step)?;
    }
    let loaded = |_: &VersionName| Some(version.clone());
    let rollout = RolloutMetrics::new(&metrics);
    let labels: Vec<String> = network::labels();
    let task = Task {
        name: "fashion".parse().expect("a name"),
        classes: Classes::new(labels.into(), 1000),
        clip_nats: 2.0,
    };
    Ok(Slot::new(Deployment::new(
        &task, assignment, None, loaded, &rollout,
    )?))
}
