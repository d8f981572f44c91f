use std::sync::{
    atomic::{AtomicBool, Ordering::SeqCst},
    mpsc,
};

use stillhouse_engine::Stopper;

use super::{watched::LOOKS_TO_END, *};

/// A watchdog that looks only when a test calls it.
fn watchdog() -> Watchdog {
    Watchdog(Arc::new(Shared::new(&Metrics::new())))
}

fn flag() -> (Arc<AtomicBool>, Stopper) {
    let flag = Arc::new(AtomicBool::new(false));
    let set = flag.clone();
    (flag, Stopper::new(move |stop| set.store(stop, SeqCst)))
}

#[test]
fn b7_a_run_is_stopped_when_nobody_waits_for_it_and_the_engine_goes_on() {
    let watchdog = watchdog();
    let (stopped, stopper) = flag();
    let watched = watchdog.watch(["m", "v"], Work::Worker);
    watched.runs(stopper);
    let now = Instant::now();
    let run = watched.begin(Until::Instant(now + Duration::from_secs(1)));
    watchdog.0.look(now);
    assert!(!stopped.load(SeqCst), "somebody waits");
    watchdog.0.look(now + Duration::from_secs(1));
    assert!(stopped.load(SeqCst));
    assert_eq!(run.end(), Ended::Stopped);
    assert!(!stopped.load(SeqCst), "the next run may go on");
    let run = watched.begin(Until::Instant(now));
    assert_eq!(run.end(), Ended::ByItself, "nobody looked");
    let stops = watchdog.0.stopped.with_label_values(&["m", "worker"]);
    assert_eq!((stops.get(), watchdog.stuck()), (1, vec![]));
}

#[test]
fn b7_a_thread_whose_run_does_not_end_is_given_up_and_counted() {
    let watchdog = watchdog();
    let able = Arc::new(AtomicUsize::new(2));
    let watched = watchdog.watch_one_of(["m", "v"], Work::Worker, &able);
    let now = Instant::now();
    let run = watched.begin(Until::Instant(now));
    // The first look stops it, and then there are two seconds.
    (0..LOOKS_TO_END).for_each(|_| watchdog.0.look(now));
    assert_eq!((able.load(SeqCst), watchdog.stuck()), (2, vec![]));
    watchdog.0.look(now);
    watchdog.0.look(now);
    assert_eq!(able.load(SeqCst), 1, "counted once");
    let stuck = watchdog.stuck();
    assert_eq!(
        (stuck[0].version.as_str(), stuck[0].work),
        ("v", Work::Worker)
    );
    let gauge = watchdog.0.stuck.with_label_values(&["m", "worker"]);
    assert_eq!((gauge.get(), watchdog.is_any_running()), (1, true));
    assert_eq!(run.end(), Ended::GivenUp);
    assert_eq!((gauge.get(), watchdog.stuck()), (0, vec![]));
    assert_eq!(able.load(SeqCst), 1, "until another thread takes its place");
}

#[test]
fn b7_a_shadow_is_stopped_when_its_version_has_no_role_any_more() {
    let watchdog = watchdog();
    let (stopped, stopper) = flag();
    let has_role = Arc::new(AtomicBool::new(true));
    let watched = watchdog.watch(["m", ""], Work::Shadow);
    watched.runs_version("v", stopper);
    let asked = has_role.clone();
    let _run = watched.begin(Until::While(Arc::new(move || asked.load(SeqCst))));
    watchdog.0.look(Instant::now());
    assert!(!stopped.load(SeqCst));
    has_role.store(false, SeqCst);
    watchdog.0.look(Instant::now());
    assert!(stopped.load(SeqCst));
}

#[test]
fn an_engine_that_is_built_too_late_is_stopped_at_once_and_so_is_every_one_at_the_end() {
    let watchdog = watchdog();
    let (stopped, stopper) = flag();
    let watched = watchdog.watch(["m", "v"], Work::Load);
    let now = Instant::now();
    let run = watched.begin(Until::Instant(now));
    watchdog.0.look(now);
    watched.runs(stopper);
    assert!(stopped.load(SeqCst));
    run.end();
    assert!(!stopped.load(SeqCst));
    watchdog.stop_all();
    assert!(stopped.load(SeqCst));
    watched.begin(Until::Instant(now)).end();
    assert!(stopped.load(SeqCst), "for good");
}

#[test]
fn b6_work_is_waited_for_until_its_end_and_no_longer() {
    let watchdog = Watchdog::new(&Metrics::new());
    let effort = |ms| Effort::of(Priority::Foreground, Duration::from_millis(ms));
    let limited = watchdog.run_limited(["m", "v"], effort(60_000), |_| 7);
    assert_eq!(limited, Ok(7));
    let panics = |_: &Watched| -> () { panic!("on purpose") };
    let limited = watchdog.run_limited(["m", "v"], effort(60_000), panics);
    assert_eq!(limited, Err(Lost::Panicked));

    // It ends only when this test lets it.
    let (release, released) = mpsc::channel::<()>();
    let (end, ended) = mpsc::channel::<()>();
    let hangs = move |_: &Watched| {
        let _ = released.recv();
        // Dropped with the result that nobody takes.
        end
    };
    let limited = watchdog.run_limited(["m", "v"], effort(10), hangs);
    assert_eq!(limited.err(), Some(Lost::Overdue));
    while watchdog.stuck().is_empty() {}
    assert_eq!(watchdog.stuck()[0].work, Work::Load);
    release.send(()).expect("it waits");
    assert_eq!(ended.recv(), Err(mpsc::RecvError));
    while !watchdog.stuck().is_empty() {}
}
