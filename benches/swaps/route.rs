//! The way from a model to the seat that answers: one pointer load and one hash.

use std::{hint::black_box, sync::Arc, time::Instant};

use stillhouse::{
    batch::Delivery,
    metrics::{Classes, Metrics},
    rollout::{Assignment, Change, Deployment, Plan, RolloutMetrics, Share, Slot, Task},
    store::{ModelName, Repository, VersionName},
    version::{BatchSettings, EngineSettings, Launcher},
};
use stillhouse_engine::Haste;

const ROUTES: u32 = 2_000_000;

/// Mean of many, with 36 different keys of a UUID's length, canary at 10 % and teacher at 5 %.
pub fn nanoseconds() -> anyhow::Result<f64> {
    let metrics = Metrics::new();
    let launcher = Launcher::new(
        &metrics,
        Arc::new(stillhouse_engine::prepare),
        Delivery::Direct,
    );
    let repository = Repository::open(concat!(env!("CARGO_MANIFEST_DIR"), "/models"))?;
    let model: ModelName = "fashion".parse()?;
    let stable: VersionName = "s1".parse()?;
    let files = repository.read(&model, &stable)?;
    let engine = EngineSettings {
        backend: "tract".into(),
        ..Default::default()
    };
    let version = launcher.launch(
        files,
        &engine,
        &BatchSettings::default(),
        Haste::NobodyWaits,
    )?;

    let change = |assignment: Assignment, change| assignment.apply(&change);
    let share = |points| Share::new(points).expect("a share");
    let mut assignment = Assignment::first(stable);
    for step in [
        Change::StartCanary {
            version: "s2".parse()?,
            share: share(1000),
            plan: Plan::Manual,
        },
        Change::SetTeacher {
            version: Some("teacher-1".parse()?),
        },
        Change::SetSplit {
            canary: None,
            teacher: Some(share(500)),
        },
    ] {
        assignment = change(assignment, step)?;
    }
    // One version sits in every seat: the route doesn't look into it.
    let loaded = |_: &VersionName| Some(version.clone());
    let rollout = RolloutMetrics::new(&metrics);
    let labels: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let task = Task {
        name: "fashion".into(),
        classes: Classes::new(labels.into(), 1000),
        clip_nats: 2.0,
    };
    let slot = Slot::new(Deployment::new(&task, assignment, None, loaded, &rollout)?);

    let keys: Vec<String> = (0..36)
        .map(|key| format!("0193e5a0-7c41-7000-8000-{key:012}"))
        .collect();
    let begun = Instant::now();
    for route in 0..ROUTES {
        let deployment = slot.load_full();
        let key = keys[route as usize % keys.len()].as_bytes();
        black_box(deployment.route(black_box(key)).role);
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUTES))
}
