//! A line that says how far it is, on a terminal; and Ctrl-C.

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::{clock::Clock, generator::Live};

/// Often enough to look alive, rarely enough to cost nothing.
const REFRESH: Duration = Duration::from_millis(250);

/// Shows progress until all threads have ended; whether somebody pressed Ctrl-C, which also sets `live.stop`.
pub fn watch(duration: Duration, clock: Clock, live: &Live) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bar = bar(duration);
    let interrupted = runtime.block_on(async {
        // One stream for all turns: a signal that comes between two of them is kept for the next.
        let mut pressed = signal(SignalKind::interrupt())?;
        let mut interrupted = false;
        let mut last = (0, 0);
        while live.running.load(Relaxed) > 0 {
            tokio::select! {
                Some(()) = pressed.recv() => {
                    interrupted = true;
                    live.stop.store(true, Relaxed);
                }
                () = live.ended.notified() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
            if !bar.is_hidden() {
                show(&bar, clock, live, &mut last);
            }
        }
        anyhow::Ok(interrupted)
    })?;
    bar.finish_and_clear();
    Ok(interrupted)
}

fn bar(duration: Duration) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(duration.as_millis() as u64), target);
    let style = ProgressStyle::with_template("{bar:30} {msg}").expect("a valid template");
    bar.with_style(style)
}

/// `last` is when it was shown last, and how many were answered then.
fn show(bar: &ProgressBar, clock: Clock, live: &Live, last: &mut (u64, u64)) {
    let (now_ns, count) = (clock.now_ns(), |counter: &AtomicU64| counter.load(Relaxed));
    let answered = count(&live.answered);
    let per_second = (answered - last.1) as f64 / ((now_ns - last.0).max(1) as f64 * 1e-9);
    *last = (now_ns, answered);
    bar.set_position(now_ns / 1_000_000);
    bar.set_message(format!(
        "{:.1} s, {per_second:.0} answers/s, {answered} answered, {} refused, {} failed",
        now_ns as f64 * 1e-9,
        count(&live.refused),
        count(&live.failed)
    ));
}
