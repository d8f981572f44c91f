//! Runs trainings as child processes, several at a time, each with its own random numbers and memory.

use anyhow::{Context, Result, bail};
use std::{
    collections::HashSet,
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use crate::run::{LAST, finished};

/// One run to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The run's directory.
    pub folder: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// `key=value` settings that override it.
    pub settings: Vec<String>,
    /// The run of its teacher, which must be finished before.
    pub after: Option<PathBuf>,
    /// Whether it has a teacher.
    pub student: bool,
}

/// How jobs are run.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Runs at the same time.
    pub workers: usize,
    /// Passed to each run as `--device`.
    pub device: String,
    /// Threads that each run may use.
    pub threads: usize,
}

#[derive(Default)]
struct JobBoard {
    taken: HashSet<usize>,
    running: usize,
    done: HashSet<PathBuf>,
    failed: Vec<String>,
}

impl Pool {
    /// Runs all jobs in order, as far as their teachers are finished. Finished runs are skipped, interrupted ones resumed.
    ///
    /// # Errors
    /// The runs that failed, after all others have ended.
    pub fn run(&self, jobs: &[Job]) -> Result<()> {
        let board = Mutex::new(JobBoard::default());
        let changed = Condvar::new();
        thread::scope(|scope| {
            for _ in 0..self.workers.clamp(1, jobs.len().max(1)) {
                scope.spawn(|| self.work(jobs, &board, &changed));
            }
        });
        let failed = board
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .failed;
        if !failed.is_empty() {
            bail!(
                "{} of {} runs failed:\n{}",
                failed.len(),
                jobs.len(),
                failed.join("\n")
            );
        }
        Ok(())
    }

    fn work(&self, jobs: &[Job], board: &Mutex<JobBoard>, changed: &Condvar) {
        let mut lock = board.lock().unwrap_or_else(PoisonError::into_inner);
        while lock.taken.len() < jobs.len() {
            let ready = |job: &Job| {
                job.after
                    .as_ref()
                    .is_none_or(|after| lock.done.contains(after) || finished(after))
            };
            let Some(next) = (0..jobs.len()).find(|i| !lock.taken.contains(i) && ready(&jobs[*i]))
            else {
                if lock.running == 0 {
                    self.give_up(jobs, &mut lock);
                    break;
                }
                lock = changed.wait(lock).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            lock.taken.insert(next);
            lock.running += 1;
            drop(lock);
            let outcome = self.start(&jobs[next]);
            lock = board.lock().unwrap_or_else(PoisonError::into_inner);
            lock.running -= 1;
            match outcome {
                Ok(()) => {
                    println!("finished {}", jobs[next].folder.display());
                    lock.done.insert(jobs[next].folder.clone());
                }
                Err(error) => lock
                    .failed
                    .push(format!("{}: {error:#}", jobs[next].folder.display())),
            }
            changed.notify_all();
        }
        changed.notify_all();
    }

    /// Ends when nothing runs and nothing can start: the remaining jobs wait for a teacher that failed or is missing.
    fn give_up(&self, jobs: &[Job], board: &mut JobBoard) {
        for (i, job) in jobs.iter().enumerate() {
            if board.taken.insert(i) {
                let teacher = job.after.as_deref().unwrap_or(&job.folder).display();
                board.failed.push(format!(
                    "{}: its teacher {teacher} isn't finished",
                    job.folder.display()
                ));
            }
        }
    }

    fn start(&self, job: &Job) -> Result<()> {
        if finished(&job.folder) {
            return Ok(());
        }
        let log = job.folder.with_extension("log");
        if let Some(parent) = log.parent() {
            fs::create_dir_all(parent)?;
        }
        let file = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(if job.student {
            "train-student"
        } else {
            "train-teacher"
        });
        if job.folder.join(LAST).exists() {
            command.arg("--resume");
        } else {
            command.arg(&job.config).arg("--force");
            for setting in &job.settings {
                command.args(["--set", setting]);
            }
        }
        command
            .arg("--run")
            .arg(&job.folder)
            .args(["--device", &self.device]);
        command
            .env("RAYON_NUM_THREADS", self.threads.to_string())
            .env("OMP_NUM_THREADS", self.threads.to_string());
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let status = command.status()?;
        if !status.success() {
            let text = fs::read_to_string(&log).unwrap_or_default();
            bail!(
                "{status}; the end of {}: {}",
                log.display(),
                text.lines().last().unwrap_or_default()
            );
        }
        Ok(())
    }
}
