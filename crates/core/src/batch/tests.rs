//! Batches on a scripted engine: order, limits, refusals, deadlines, clients that leave, panics, shutdown.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use proptest::prelude::*;
use stillhouse_engine::{Priority, scripted::Scripted};

use super::*;

/// A row of one number.
struct Number(f32);

impl Sample for Number {
    fn write(&self, row: &mut [f32]) {
        row[0] = self.0;
    }
}

fn options(max_batch: usize, workers: usize, queue: usize) -> BatchOptions {
    BatchOptions {
        policy: Policy {
            max_batch,
            max_wait: Duration::ZERO,
        },
        workers,
        queue,
        latency: None,
    }
}

fn start(scripted: Scripted, options: BatchOptions) -> (Batcher<Number>, Metrics) {
    start_delivering(scripted, options, &Delivery::Direct)
}

fn surroundings(metrics: &Metrics, delivery: &Delivery) -> Surroundings {
    Surroundings {
        metrics: BatchMetrics::new(metrics),
        delivery: delivery.clone(),
        watchdog: Watchdog::new(metrics),
    }
}

fn start_delivering(
    scripted: Scripted,
    options: BatchOptions,
    delivery: &Delivery,
) -> (Batcher<Number>, Metrics) {
    let metrics = Metrics::new();
    let blueprint: Arc<dyn Blueprint> = Arc::new(scripted);
    let batcher = Batcher::start(
        &blueprint,
        options,
        Effort::of(Priority::Foreground, Duration::from_secs(60)),
        &surroundings(&metrics, delivery),
        ["m", "v"],
        // Kept for as long as the test looks at the series.
        Box::leak(Box::new(metrics.scope())),
    );
    (batcher.expect("starts"), metrics)
}

fn echo(input: &[f32], _: usize) -> Result<Vec<f32>, EngineError> {
    Ok(input.to_vec())
}

/// Also works as a gate: each run reports its number of rows and waits until it is let through. Warm-up is not held up.
fn gated(warmups: usize) -> (Scripted, mpsc::Receiver<usize>, mpsc::Sender<()>) {
    let (entered, entries) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let state = Mutex::new((warmups, gate));
    let scripted = Scripted::new(1, 1, move |input, rows| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 > 0 {
            state.0 -= 1;
            return echo(input, rows);
        }
        let _ = entered.send(rows);
        let _ = state.1.recv();
        if input[..rows].contains(&13.0) {
            panic!("thirteen");
        }
        if input[..rows].contains(&17.0) {
            return Err(EngineError::Run("seventeen".into()));
        }
        echo(input, rows)
    });
    (scripted, entries, open)
}

fn loss(metrics: &Metrics, reason: &str) -> bool {
    let text = String::from_utf8(metrics.render()).expect("text");
    text.contains(&format!(
        "stillhouse_batch_losses_total{{model=\"m\",reason=\"{reason}\",version=\"v\"}} 1"
    ))
}

#[test]
fn rows_behind_a_busy_worker_form_one_batch_and_keep_their_order() {
    keep_their_order(&Delivery::Direct);
    let apart = |deliver: Box<dyn FnOnce() + Send>| drop(thread::spawn(deliver));
    keep_their_order(&Delivery::Carried(Arc::new(apart)));
}

fn keep_their_order(delivery: &Delivery) {
    let (scripted, entries, open) = gated(3); // 1, 2, 4
    let (batcher, _) = start_delivering(scripted, options(4, 1, 16), delivery);
    let mut replies: Vec<Reply> = vec![batcher.submit(Number(0.0), None).expect("room")];
    assert_eq!(entries.recv(), Ok(1));
    replies.extend((1..=5).map(|n| batcher.submit(Number(n as f32), None).expect("room")));
    for rows in [4, 1] {
        open.send(()).expect("open");
        assert_eq!(entries.recv(), Ok(rows));
    }
    open.send(()).expect("open");
    let answers: Vec<Answer> = replies
        .into_iter()
        .map(|reply| reply.blocking_recv().expect("a reply").expect("an answer"))
        .collect();
    let scores: Vec<f32> = answers.iter().map(|answer| answer.scores[0]).collect();
    assert_eq!(scores, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let rows: Vec<usize> = answers.iter().map(|answer| answer.batch_rows).collect();
    assert_eq!(rows, [1, 4, 4, 4, 4, 1]);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let (scripted, entries, open) = gated(1);
    let (batcher, _) = start(scripted, options(1, 1, 2));
    let first = batcher.submit(Number(1.0), None).expect("room");
    assert_eq!(entries.recv(), Ok(1));
    let waiting: Vec<Reply> = (0..2)
        .map(|_| batcher.submit(Number(2.0), None).expect("room"))
        .collect();
    assert_eq!(batcher.waiting(), 2);
    let refusal = batcher.submit(Number(3.0), None).expect_err("full");
    assert_eq!(refusal, SubmitError::Full { capacity: 2 });
    drop(open);
    for reply in std::iter::once(first).chain(waiting) {
        assert!(reply.blocking_recv().expect("a reply").is_ok());
    }
}

#[test]
fn the_expired_and_the_abandoned_never_reach_the_engine() {
    let (scripted, entries, open) = gated(3);
    let (batcher, metrics) = start(scripted, options(4, 1, 16));
    let first = batcher.submit(Number(1.0), None).expect("room");
    assert_eq!(entries.recv(), Ok(1));
    let late = batcher
        .submit(Number(2.0), Some(Instant::now()))
        .expect("room");
    drop(batcher.submit(Number(3.0), None).expect("room"));
    let kept = batcher.submit(Number(4.0), None).expect("room");
    open.send(()).expect("open");
    assert_eq!(entries.recv(), Ok(1), "only the fourth is left");
    open.send(()).expect("open");
    assert!(first.blocking_recv().expect("a reply").is_ok());
    assert_eq!(
        late.blocking_recv().expect("a reply"),
        Err(BatchError::Expired)
    );
    assert_eq!(
        *kept.blocking_recv().expect("a reply").expect("ok").scores,
        [4.0]
    );
    assert!(loss(&metrics, "expired") && loss(&metrics, "abandoned"));
}

#[test]
fn a_panic_or_a_failure_costs_its_batch_only() {
    let (scripted, _entries, open) = gated(1);
    let (batcher, metrics) = start(scripted, options(1, 1, 16));
    drop(open);
    let replies = [13.0, 17.0, 5.0].map(|n| batcher.submit(Number(n), None).expect("room"));
    let [panicked, failed, well] = replies.map(|reply| reply.blocking_recv().expect("a reply"));
    assert_eq!(panicked, Err(BatchError::Panicked("thirteen".into())));
    assert_eq!(
        failed,
        Err(BatchError::Failed("inference failed: seventeen".into()))
    );
    assert_eq!(*well.expect("ok").scores, [5.0]);
    let text = String::from_utf8(metrics.render()).expect("text");
    assert!(
        text.contains("reason=\"failed_batch\",version=\"v\"} 2"),
        "{text}"
    );
}

#[test]
fn dropping_the_batcher_answers_what_is_queued_and_frees_the_engine() {
    let alive = Arc::new(());
    let held = alive.clone();
    let (scripted, entries, open) = gated(1);
    let (batcher, _) = start(scripted, options(1, 1, 16));
    let scripted = Scripted::new(1, 1, move |input, rows| {
        let _ = &held;
        echo(input, rows)
    });
    let (other, _) = start(scripted, options(8, 2, 16));
    let replies = [1.0, 2.0, 3.0].map(|n| batcher.submit(Number(n), None).expect("room"));
    assert_eq!(entries.recv(), Ok(1));
    drop(batcher);
    drop(open);
    for reply in replies {
        assert!(reply.blocking_recv().expect("a reply").is_ok());
    }
    // The script's last owner is a worker thread, which drops it when it has ended, not before.
    let weak = Arc::downgrade(&alive);
    drop(alive);
    drop(other);
    while weak.upgrade().is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn an_engine_with_the_wrong_number_of_scores_is_an_error_not_a_mix_up() {
    let first = Mutex::new(true);
    let scripted = Scripted::new(1, 2, move |_, rows| {
        let warmup = std::mem::take(&mut *first.lock().expect("one worker"));
        Ok(vec![0.0; if warmup { rows * 2 } else { rows }])
    });
    let (batcher, _) = start(scripted, options(1, 1, 4));
    let reply = batcher.submit(Number(1.0), None).expect("room");
    let error = reply.blocking_recv().expect("a reply").expect_err("wrong");
    assert!(matches!(error, BatchError::Failed(text) if text.contains("1 scores for 1 rows of 2")));
}

#[test]
fn a_worker_that_cannot_build_is_the_start_s_error() {
    let scripted = Scripted::new(1, 1, |_, _| Err(EngineError::Run("no memory".into())));
    let blueprint: Arc<dyn Blueprint> = Arc::new(scripted);
    let all = Metrics::new();
    let started = Batcher::<Number>::start(
        &blueprint,
        options(1, 2, 4),
        Effort::of(Priority::Foreground, Duration::from_secs(60)),
        &surroundings(&all, &Delivery::Direct),
        ["m", "v"],
        &mut all.scope(),
    );
    assert!(started.is_err());
}

#[test]
fn b6_a_warm_up_that_does_not_end_is_not_waited_for() {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let scripted = Scripted::new(1, 1, move |input, rows| {
        let released = released.lock().unwrap_or_else(PoisonError::into_inner);
        // Ends with the test.
        let _ = released.recv();
        echo(input, rows)
    });
    let blueprint: Arc<dyn Blueprint> = Arc::new(scripted);
    let all = Metrics::new();
    let surroundings = surroundings(&all, &Delivery::Direct);
    let started = Batcher::<Number>::start(
        &blueprint,
        options(4, 1, 4),
        Effort::of(Priority::Background, Duration::from_millis(10)),
        &surroundings,
        ["m", "v"],
        &mut all.scope(),
    );
    assert!(matches!(started, Err(StartError::Overdue)));
    while surroundings.watchdog.stuck().is_empty() {}
    drop(release);
}

#[test]
fn b7_a_version_without_a_worker_refuses_until_one_is_back() {
    let (scripted, entries, open) = gated(1);
    let (batcher, _metrics) = start(scripted, options(1, 1, 4));
    let deadline = Some(Instant::now() + Duration::from_secs(1));
    let reply = batcher.submit(Number(1.0), deadline).expect("room");
    assert_eq!(entries.recv(), Ok(1));
    while batcher.check_room().is_ok() {}
    assert_eq!(batcher.check_room(), Err(SubmitError::Stuck));
    let refused = batcher.submit(Number(2.0), None);
    assert!(matches!(refused, Err(SubmitError::Stuck)));
    // The run ends after all; its thread does, too, and another one takes its place. That one's warm-up passes the gate.
    (0..3).for_each(|_| open.send(()).expect("a worker"));
    let _ = reply.blocking_recv();
    while batcher.check_room().is_err() {}
    let reply = batcher.submit(Number(3.0), None).expect("room");
    let answer = reply.blocking_recv().expect("a reply").expect("an answer");
    assert_eq!(&*answer.scores, &[3.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_accepted_row_gets_its_own_answer(
        rows in prop::collection::vec(-1e6f32..1e6, 1..200), max_batch in 1usize..20, workers in 1usize..4, queue in 1usize..50,
    ) {
        let scripted = Scripted::new(1, 1, |input, rows| {
            assert!(rows > 0 && rows == input.len());
            Ok(input.iter().map(|x| x * 2.0).collect())
        });
        let (batcher, _) = start(scripted, options(max_batch, workers, queue));
        let mut replies = Vec::new();
        for &row in &rows {
            loop {
                match batcher.submit(Number(row), None) {
                    Ok(reply) => break replies.push((row, reply)),
                    Err(SubmitError::Full { capacity }) => prop_assert_eq!(capacity, queue),
                    Err(other) => prop_assert!(false, "{other}"),
                }
                std::thread::yield_now();
            }
        }
        for (row, reply) in replies {
            let answer = reply.blocking_recv().expect("a reply").expect("an answer");
            prop_assert_eq!(&*answer.scores, &[row * 2.0]);
            prop_assert!(answer.batch_rows <= max_batch);
        }
    }
}

/// A worker may outlive the runtime during shutdown: waiting callers must get an error instead of waiting on.
#[test]
fn answers_that_nobody_carries_are_lost_and_not_waited_for() {
    let (scripted, entries, open) = gated(3);
    let (batcher, _) = start_delivering(
        scripted,
        options(4, 1, 16),
        &Delivery::Carried(Arc::new(drop)),
    );
    let first = batcher.submit(Number(0.0), None).expect("room");
    assert_eq!(entries.recv(), Ok(1));
    let rest: Vec<Reply> = (1..=4)
        .map(|n| batcher.submit(Number(n as f32), None).expect("room"))
        .collect();
    drop(open);
    assert!(first.blocking_recv().expect("delivered directly").is_ok());
    for reply in rest {
        assert!(reply.blocking_recv().is_err());
    }
}

/// The measured cost of a row shortens the queue; a row that is run makes room again.
#[test]
fn with_a_latency_to_keep_fewer_may_wait() {
    let (scripted, entries, open) = gated(1);
    let slow = BatchOptions {
        latency: Some(Duration::from_nanos(1)),
        ..options(1, 1, 16)
    };
    let (batcher, _) = start(scripted, slow);
    let first = batcher.submit(Number(0.0), None).expect("room");
    assert_eq!(entries.recv(), Ok(1));
    let second = batcher
        .submit(Number(1.0), None)
        .expect("nothing is known yet");
    open.send(()).expect("open");
    assert!(first.blocking_recv().expect("a reply").is_ok());
    // The worker reports the pace before it takes the next row.
    assert_eq!(entries.recv(), Ok(1));
    let third = batcher
        .submit(Number(2.0), None)
        .expect("a batch's room is always there");
    let refusal = batcher.submit(Number(3.0), None).expect_err("too late");
    assert_eq!(refusal, SubmitError::Full { capacity: 1 });
    drop(open);
    for reply in [second, third] {
        assert!(reply.blocking_recv().expect("a reply").is_ok());
    }
}

#[test]
fn a_place_counts_until_it_is_given_back_or_filled() {
    let (scripted, entries, open) = gated(1);
    let (batcher, _) = start(scripted, options(1, 1, 2));
    let full = |batcher: &Batcher<Number>| {
        batcher.admit().err() == Some(SubmitError::Full { capacity: 2 })
    };
    let (first, second) = (
        batcher.admit().expect("room"),
        batcher.admit().expect("room"),
    );
    assert!(full(&batcher), "two are being decoded");
    drop(second);
    let second = batcher.admit().expect("given back");
    let first = first.submit(Number(1.0), None).expect("its place");
    assert_eq!(entries.recv(), Ok(1));
    let third = batcher
        .admit()
        .expect("the first is being run and waits no more");
    assert!(full(&batcher));
    let second = second.submit(Number(2.0), None).expect("its place");
    assert!(full(&batcher), "it waits where it was reserved");
    let third = third.submit(Number(3.0), None).expect("its place");
    assert!(full(&batcher));
    drop(open);
    for reply in [first, second, third] {
        assert!(reply.blocking_recv().expect("a reply").is_ok());
    }
}
