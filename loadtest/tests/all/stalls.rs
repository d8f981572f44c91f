//! A stall of the server or of the generator shows in the report.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    program::{Pictures, command, finished, run},
    server::{Server, fine},
};

/// The server stalls once, for this long.
const STALL: Duration = Duration::from_millis(300);

fn stalling(at: usize) -> Server {
    let until = Mutex::new(None::<Instant>);
    Server::start(move |asked| {
        let mut until = until.lock().expect("no panic");
        if asked.number == at {
            *until = Some(Instant::now() + STALL);
        }
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        fine().after(wait.unwrap_or_default())
    })
}

/// A closed loop would see only four late answers of 2000, and a p99 of a millisecond (coordinated omission).
#[test]
fn a_stall_delays_all_requests_due_in_it() {
    let server = stalling(500);
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let arguments = format!(
        "run --url {url} --rate 1000 --arrivals constant --connections 4 --warmup 0s --duration 2s --json"
    );
    let phase = run(&arguments, &pictures).phase();
    assert_eq!(
        (phase["offered"].as_u64(), phase["answered"].as_u64()),
        (Some(2000), Some(2000))
    );
    // 300 requests were due in it; 20 of them, 1 % of all, within its first 20 ms.
    let p99 = phase["latency_ms"]["p99"].as_f64().expect("a p99");
    let p90 = phase["latency_ms"]["p90"].as_f64().expect("a p90");
    assert!(p99 > 270.0, "p99 {p99} ms");
    assert!(p90 > 90.0, "p90 {p90} ms");
}

#[test]
fn a_stall_misses_the_objective_and_fails_the_run() {
    let server = stalling(100);
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let ran = run(
        &format!(
            "run --url {url} --rate 200 --warmup 0s --duration 1s --slo p90=50ms,max=10s --json"
        ),
        &pictures,
    );
    assert!(!ran.ok);
    let missed = ran.missed();
    assert!(
        missed.len() == 1 && missed[0].starts_with("load: p90 at most 50.0 ms"),
        "{missed:?}"
    );
}

#[test]
fn a_stalled_generator_reports_it() {
    let (say_busy, busy) = std::sync::mpsc::channel();
    let say_busy = Mutex::new(say_busy);
    let server = Server::start(move |asked| {
        if asked.number == 100 {
            let _ = say_busy.lock().expect("no panic").send(());
        }
        fine()
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let arguments = format!("run --url {url} --rate 500 --warmup 0s --duration 1s --json");
    let child = command(&arguments, &pictures).spawn().expect("the program");
    let pid = Pid::from_child(&child);
    busy.recv().expect("it sends");
    kill_process(pid, Signal::STOP).expect("stopped");
    std::thread::sleep(STALL);
    kill_process(pid, Signal::CONT).expect("goes on");
    let ran = finished(child);
    let phase = ran.phase();
    let late = phase["generator_late_ms"]["max"]
        .as_f64()
        .expect("lateness");
    assert!(late > 250.0, "late by {late} ms");
    // It counts as latency, too, as it would for a user.
    assert!(phase["latency_ms"]["max"].as_f64() > Some(250.0), "{phase}");
    let warnings = ran.json()["generator"]["warnings"].to_string();
    assert!(
        warnings.contains("its own lateness exceeds a fifth of"),
        "{warnings}"
    );
}

#[test]
fn requests_that_found_no_connection_in_time_count_as_failed() {
    let server = Server::start(|_| fine().after(Duration::from_millis(100)));
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let ran = run(
        &format!(
            "run --url {url} --rate 200 --arrivals constant --connections 1 --give-up-after 200ms --warmup 0s \
             --duration 1s --json"
        ),
        &pictures,
    );
    assert!(!ran.ok);
    let phase = ran.phase();
    let number = |key: &str| phase[key].as_u64().expect(key);
    assert_eq!(number("offered"), 200);
    assert_eq!(number("answered") + number("never_sent"), 200);
    // One connection, 100 ms each, during a second and a `max_wait` of 0.2 s.
    assert!(number("answered") <= 13, "{phase}");
    assert_eq!(server.predictions() as u64, number("answered") + 1);
}

#[test]
fn a_closed_loop_has_one_request_in_flight_per_caller() {
    let at_a_time = std::sync::Arc::new(Mutex::new((0, 0)));
    let counted = at_a_time.clone();
    let server = Server::start(move |asked| {
        // The first request is that of the preflight check; 20 ms are long enough for the others to overlap.
        let mut counted = counted.lock().expect("no panic");
        counted.0 += usize::from(asked.number > 0);
        counted.1 = counted.0;
        fine().after(Duration::from_millis(20))
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let ran = run(
        &format!("run --url {url} --callers 5 --warmup 0s --duration 500ms --json"),
        &pictures,
    );
    let phase = ran.phase();
    assert!(ran.ok);
    // Five callers, at most 25 answers each in half a second, and the last of each.
    let answered = phase["answered"].as_u64().expect("a count");
    assert!((5..=130).contains(&answered), "{answered}");
    assert_eq!(answered, at_a_time.lock().expect("no panic").1 as u64);
}

#[test]
fn an_interrupted_run_reports_its_results_and_fails() {
    let (say_busy, busy) = std::sync::mpsc::channel();
    let say_busy = Mutex::new(say_busy);
    let server = Server::start(move |asked| {
        if asked.number == 100 {
            let _ = say_busy.lock().expect("no panic").send(());
        }
        fine()
    });
    let pictures = Pictures::named(&["ankle-boot-1.png"]);
    let url = server.url();
    let arguments = format!("run --url {url} --rate 500 --warmup 0s --duration 1h --json");
    let child = command(&arguments, &pictures).spawn().expect("the program");
    busy.recv().expect("it sends");
    kill_process(Pid::from_child(&child), Signal::INT).expect("interrupted");
    let ran = finished(child);
    assert!(!ran.ok);
    let phase = ran.phase();
    assert_eq!(
        (&ran.json()["interrupted"], &phase["failed"]),
        (&true.into(), &0.into())
    );
    // The rate is that of the time until the interruption, not of the hour.
    let per_second = phase["answered_per_second"].as_f64().expect("a rate");
    assert!(per_second > 50.0, "{per_second}");
}
