use super::*;
use crate::{config::ModelSettings, control::Arrivals, rollout::Share};

/// A model with every table of its own.
fn complete() -> Config {
    let mut config = Config::default();
    let model = ModelSettings {
        stable: "v1".into(),
        teacher: "t1".into(),
        on_arrival: Some(Arrivals::Load),
        arrival_share: Some(Share::ALL),
        engine: Some(config.engine.clone()),
        batch: Some(config.batch.clone()),
        routing: Some(config.routing.clone()),
        shadow: Some(config.shadow.clone()),
        judge: Some(config.judge.clone()),
    };
    config.models.insert("a.model-1".into(), model);
    config
        .models
        .insert("other".into(), ModelSettings::default());
    config
}

#[test]
fn d10_every_key_has_a_range() {
    let all = serde_json::to_value(complete()).expect("JSON");
    let mut keys = 0;
    walk("", &all, &mut |key, _| {
        keys += 1;
        assert!(
            row(key).is_some(),
            "`{key}` has no range: give it a row in src/config/ranges/table.rs"
        );
    });
    assert!(keys > 100, "{keys}");
    // And every row has its key.
    let mut known = Vec::new();
    walk("", &all, &mut |key, _| known.push(key.to_owned()));
    for (row, _) in TABLE {
        let suffix = format!(".{row}");
        assert!(
            known.iter().any(|key| key == row || key.ends_with(&suffix)),
            "no key belongs to the range of `{row}`"
        );
    }
    assert_eq!(check(&complete()), vec![]);
}

#[test]
fn d10_values_out_of_range_are_refused_by_name() {
    type Spoil = fn(&mut Config);
    let cases: [(&str, Spoil); 21] = [
        ("judge.disagreement_margin", |c| {
            c.judge.disagreement_margin = 1.0;
        }),
        ("judge.class_margin", |c| c.judge.class_margin = 0.0),
        ("judge.divergence_clip_nats", |c| {
            c.judge.divergence_clip_nats = f64::INFINITY;
        }),
        ("judge.error_margin_ratio", |c| {
            c.judge.error_margin_ratio = 0.5;
        }),
        ("judge.latency_margin_ratio", |c| {
            c.judge.latency_margin_ratio = 0.5;
        }),
        ("judge.latency_floor_seconds", |c| {
            c.judge.latency_floor_seconds = -1.0;
        }),
        ("judge.roll_back_alpha", |c| c.judge.roll_back_alpha = 0.0),
        ("judge.promotion_alpha", |c| {
            c.judge.promotion_alpha = f64::NAN;
        }),
        ("judge.restart_every", |c| c.judge.restart_every = 0),
        ("shadow.rate", |c| c.shadow.rate = 1.5),
        ("shadow.rate", |c| c.shadow.rate = f64::NAN),
        ("drift.effect_nats", |c| c.drift.effect_nats = -1.0),
        ("log.filter", |c| c.log.filter = "infoo".into()),
        ("log.filter", |c| c.log.filter = "a=b=c".into()),
        ("engine.device", |c| c.engine.device = "gpu".into()),
        ("engine.backend", |c| c.engine.backend = "torch".into()),
        ("repository.default_model", |c| {
            c.repository.default_model = "No Name".into();
        }),
        ("connections.max_connections", |c| {
            c.connections.max_connections = 0;
        }),
        ("batch.max_batch", |c| c.batch.max_batch = 100_000),
        ("requests.deadline_ms", |c| {
            c.requests.deadline_ms = i64::MAX as u64;
        }),
        ("models.a.model-1.batch.queue", |c| {
            let model = c.models.get_mut("a.model-1").expect("there");
            model.batch.as_mut().expect("a table").queue = 0;
        }),
    ];
    for (key, spoil) in cases {
        let mut config = complete();
        spoil(&mut config);
        let found = check(&config);
        let keys: Vec<&str> = found.iter().map(|one| &*one.key).collect();
        assert_eq!(keys, [key], "{found:?}");
    }
}

#[test]
fn d10_no_time_is_long_enough_to_overflow_a_clock() {
    for (key, range) in TABLE {
        if let Range::Whole(_, to) = range
            && ["_seconds", "_ms", "_us"]
                .iter()
                .any(|end| key.ends_with(end))
        {
            let ten_years = 10 * 366 * 24 * 3600;
            assert!(*to <= ten_years * 1_000, "{key}");
        }
    }
}
