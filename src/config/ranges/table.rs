//! The table itself. Upper ends are far above what is sensible and below what breaks: overflows, absurd allocations.

use super::{
    Range::{self, Between, Real, Switch, Table, Text, Whole},
    text,
};
use crate::rollout::FIRST;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_SECONDS: u64 = 24 * 3600;
const YEAR_SECONDS: u64 = 366 * DAY_SECONDS;

/// One pebibyte.
const MAX_BYTES: u64 = 1 << 50;

/// As good as never, where a count may be put out of reach on purpose.
const NEVER: u64 = i64::MAX as u64;

/// Every key with its range; a model's own tables and keys have the same.
pub(super) const TABLE: &[(&str, Range)] = &[
    ("server.listen", Text(text::any)),
    ("server.admin_listen", Text(text::any)),
    ("server.threads", Whole(0, 1024)),
    ("server.drain_timeout_seconds", Whole(0, DAY_SECONDS)),
    ("repository.path", Text(text::path)),
    ("repository.default_model", Text(text::name_or_empty)),
    ("control.state_path", Text(text::path)),
    ("control.audit_key_file", Text(text::any)),
    ("admin.tokens_file", Text(text::any)),
    ("loading.child_process", Switch),
    ("loading.timeout_seconds", Whole(1, DAY_SECONDS)),
    ("loading.memory_bytes", Whole(1 << 20, MAX_BYTES)),
    ("loading.unload_after_seconds", Whole(0, YEAR_SECONDS)),
    ("loading.poll_seconds", Whole(0, DAY_SECONDS)),
    ("loading.max_upload_bytes", Whole(1, MAX_BYTES)),
    ("loading.on_arrival", Text(text::any)),
    ("loading.arrival_share", Text(text::any)),
    ("routing.key_header", Text(text::header_or_empty)),
    ("routing.key_cookie", Text(text::header_or_empty)),
    ("routing.role_header", Switch),
    ("routing.fallback_after_ms", Whole(1, 24 * HOUR_MS)),
    ("shadow.rate", Real(0.0, 1.0)),
    ("shadow.budget_per_second", Between(0.0, 1e9)),
    ("shadow.gives_way", Switch),
    ("shadow.queue", Whole(1, 1_000_000)),
    ("shadow.cooldown_seconds", Whole(0, YEAR_SECONDS)),
    ("shadow.cooldown_keys", Whole(1, (1 << 31) - 1)),
    ("shadow.max_classes", Whole(1, 1_000_000)),
    ("shadow.starved_after_seconds", Whole(1, YEAR_SECONDS)),
    ("drift.effect_nats", Between(0.0, 1000.0)),
    ("drift.answers", Whole(0, NEVER)),
    ("drift.detector_run_length", Real(1.0, 1e18)),
    ("judge.disagreement_margin", Between(0.0, 1.0)),
    ("judge.class_margin", Between(0.0, 1.0)),
    ("judge.divergence_margin_nats", Between(0.0, 1000.0)),
    ("judge.divergence_clip_nats", Between(0.0, 1000.0)),
    ("judge.error_margin_ratio", Real(1.0, 1e6)),
    ("judge.latency_margin_ratio", Real(1.0, 1e6)),
    ("judge.latency_floor_seconds", Real(0.0, 3600.0)),
    ("judge.roll_back_alpha", Between(0.0, 1.0)),
    ("judge.promotion_alpha", Between(0.0, 1.0)),
    ("judge.restart_every", Whole(1, NEVER)),
    ("judge.stop_non_finite", Whole(1, NEVER)),
    ("judge.stop_early_errors", Whole(1, NEVER)),
    // So many are remembered one by one.
    ("judge.early_answers", Whole(0, FIRST as u64)),
    ("judge.sample_ratio_alarm", Real(1.0, 1e300)),
    ("judge.ramp", Text(text::any)),
    ("judge.soak_seconds", Whole(0, YEAR_SECONDS)),
    ("judge.step_pairs", Whole(0, NEVER)),
    ("judge.step_answers", Whole(0, NEVER)),
    ("judge.promotion_pairs", Whole(0, NEVER)),
    // More than that can't be counted.
    ("judge.promotion_pictures", Whole(0, 20_000)),
    ("judge.minimum_age_seconds", Whole(0, YEAR_SECONDS)),
    ("judge.maximum_age_seconds", Whole(1, YEAR_SECONDS)),
    ("batch.queue", Whole(1, 1_000_000)),
    ("batch.slo_p99_ms", Whole(0, HOUR_MS)),
    ("batch.max_batch", Whole(0, 4096)),
    ("batch.max_wait_us", Whole(0, MINUTE_MS * 1000)),
    ("batch.workers", Whole(0, 1024)),
    ("engine.backend", Text(text::backend)),
    ("engine.library", Text(text::any)),
    ("engine.device", Text(text::device)),
    ("engine.fallback", Switch),
    ("engine.intra_threads", Whole(1, 1024)),
    ("requests.max_body_bytes", Whole(1, MAX_BYTES)),
    ("requests.max_bytes_in_flight", Whole(0, MAX_BYTES)),
    ("requests.max_images", Whole(1, 65_536)),
    ("requests.max_pixels", Whole(1, 1 << 40)),
    ("requests.body_timeout_seconds", Whole(1, DAY_SECONDS)),
    ("requests.deadline_ms", Whole(1, 24 * HOUR_MS)),
    ("image.max_bytes", Whole(1, MAX_BYTES)),
    ("image.max_pixels", Whole(1, 1 << 36)),
    ("image.max_side", Whole(1, 1 << 20)),
    ("image.max_scans", Whole(1, 10_000)),
    ("image.jpeg_reduction", Switch),
    ("connections.max_connections", Whole(1, 1_000_000)),
    ("connections.max_admin_connections", Whole(1, 1_000_000)),
    ("connections.header_timeout_seconds", Whole(1, DAY_SECONDS)),
    ("connections.write_timeout_seconds", Whole(1, DAY_SECONDS)),
    ("log.format", Text(text::any)),
    ("log.filter", Text(text::log_filter)),
    // Keys that only a model's table has.
    ("stable", Text(text::name_or_empty)),
    ("teacher", Text(text::name_or_empty)),
    ("on_arrival", Text(text::any)),
    ("arrival_share", Text(text::any)),
    // Whole tables that a model doesn't replace.
    ("engine", Table),
    ("batch", Table),
    ("routing", Table),
    ("shadow", Table),
    ("judge", Table),
];
