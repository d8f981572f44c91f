//! The progress line on a terminal, and the handling of Ctrl-C.

use std::{
    io::IsTerminal,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use crate::{clock::Clock, run_progress::RunProgress};

/// Often enough to look alive, rarely enough to cost nothing.
const REFRESH: Duration = Duration::from_millis(250);

/// Shows progress until all threads have ended. Returns whether Ctrl-C was pressed, which also sets `run_progress.stop`.
pub(crate) fn watch(
    duration: Duration,
    clock: Clock,
    run_progress: &RunProgress,
) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let bar = bar(duration);
    let interrupted = runtime.block_on(async {
        // One stream for all iterations: a signal that arrives between two of them is kept for the next.
        let mut pressed = signal(SignalKind::interrupt())?;
        let mut interrupted = false;
        let mut last = (0, 0);
        while run_progress.running.load(Relaxed) > 0 {
            tokio::select! {
                Some(()) = pressed.recv() => {
                    interrupted = true;
                    run_progress.stop.store(true, Relaxed);
                }
                () = run_progress.ended.notified() => {}
                () = tokio::time::sleep(REFRESH) => {}
            }
            if !bar.is_hidden() {
                show(&bar, clock, run_progress, &mut last);
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

/// `last` holds the time of the last update in nanoseconds and the number of answers then.
fn show(bar: &ProgressBar, clock: Clock, run_progress: &RunProgress, last: &mut (u64, u64)) {
    let (now_ns, count) = (clock.now_ns(), |counter: &AtomicU64| counter.load(Relaxed));
    let answered = count(&run_progress.answered);
    let per_second = (answered - last.1) as f64 / ((now_ns - last.0).max(1) as f64 * 1e-9);
    *last = (now_ns, answered);
    bar.set_position(now_ns / 1_000_000);
    bar.set_message(format!(
        "{:.1} s, {per_second:.0} answers/s, {answered} answered, {} refused, {} failed",
        now_ns as f64 * 1e-9,
        count(&run_progress.refused),
        count(&run_progress.failed)
    ));
}
