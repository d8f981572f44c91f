//! The child process, and the kernel's figures about it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use anyhow::{Context, bail};

/// Lines of the child's log that are shown when it ends too soon.
const LOG_LINES: usize = 20;

/// A running server; dropping this value ends it.
pub struct Server {
    child: Child,
    /// Closing it ends a child that was started with `--end-with-stdin`.
    _stdin: ChildStdin,
    /// Kept open, because the child would fail when it prints into a closed pipe.
    _stdout: BufReader<ChildStdout>,
    /// Address of the data plane.
    pub address: SocketAddr,
    /// Address of the admin plane, if it has one.
    pub admin: Option<SocketAddr>,
}

impl Server {
    /// Starts `command` with standard error in the file `log`, and waits for its banner, which a server prints when it is ready.
    ///
    /// # Errors
    /// It can't be started, or it ends before its banner; then the error has the end of its log.
    pub fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        // Settings and tokens of the user's own server must not reach this one.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("STILLHOUSE_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .context("can't start a server of its own")?;
        let stdin = child.stdin.take().expect("piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        // The banner's last line.
        while !banner.contains("  curl ") {
            if stdout.read_line(&mut banner)? == 0 {
                let _ = child.wait();
                bail!("the server ended before it was ready:\n{}", tail(log));
            }
        }
        let Some(address) = address(&banner, "predictions") else {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the server printed no address:\n{banner}");
        };
        Ok(Self {
            child,
            _stdin: stdin,
            _stdout: stdout,
            address,
            admin: self::address(&banner, "metrics"),
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process (SIGKILL) and reaps it.
    ///
    /// # Errors
    /// The operating system can't.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Resident memory in bytes.
    ///
    /// # Errors
    /// The process has ended, or this isn't Linux.
    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let kilobytes = number(&self.proc("status")?, "VmRSS:")?;
        Ok(kilobytes * 1024)
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// The process has ended, or this isn't Linux.
    pub fn cpu_time(&self) -> anyhow::Result<CpuTime> {
        let (_, user, system) = ticks(&self.proc("stat")?)?;
        let mut time = CpuTime {
            user_seconds: user,
            system_seconds: system,
            ..CpuTime::default()
        };
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let task = task?.path();
            let read = |file: &str| fs::read_to_string(task.join(file));
            // A thread may end meanwhile; its CPU time stays in the sum of the process.
            let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else {
                continue;
            };
            let (name, user, system) = ticks(&stat)?;
            // In nanoseconds, if the kernel was built with schedstat; `stat` counts in hundredths of a second.
            let finer = read("schedstat").ok().and_then(|text| nanoseconds(&text));
            *time.by_thread.entry(name).or_default() += finer.unwrap_or(user + system);
            time.sleeps += number(&status, "voluntary_ctxt_switches:")?;
        }
        Ok(time)
    }

    /// Rows and batches so far, from its own metrics; NaN for a server without an admin plane.
    ///
    /// # Errors
    /// The admin plane doesn't answer.
    pub fn batches(&self) -> anyhow::Result<(f64, f64)> {
        let Some(admin) = self.admin else {
            return Ok((f64::NAN, f64::NAN));
        };
        let mut reply = ureq::get(format!("http://{admin}/metrics")).call()?;
        let text = reply.body_mut().read_to_string()?;
        let sum = |name: &str| -> f64 {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum()
        };
        Ok((
            sum("stillhouse_batch_rows_sum"),
            sum("stillhouse_batch_rows_count"),
        ))
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.id());
        fs::read_to_string(&path).with_context(|| path)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of a process since its start, or between two readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// CPU time outside the kernel.
    pub user_seconds: f64,
    /// CPU time in the kernel.
    pub system_seconds: f64,
    /// Voluntary context switches: how often a thread went to sleep.
    pub sleeps: u64,
    /// CPU seconds by thread name, of the threads that still run.
    pub by_thread: BTreeMap<String, f64>,
}

impl CpuTime {
    /// All CPU time in seconds.
    pub fn seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// The difference to an earlier reading.
    pub fn since(&self, before: &Self) -> Self {
        let thread = |(name, seconds): (&String, &f64)| {
            let before = before.by_thread.get(name).unwrap_or(&0.0);
            (name.clone(), (seconds - before).max(0.0))
        };
        Self {
            user_seconds: self.user_seconds - before.user_seconds,
            system_seconds: self.system_seconds - before.system_seconds,
            sleeps: self.sleeps.saturating_sub(before.sleeps),
            by_thread: self.by_thread.iter().map(thread).collect(),
        }
    }
}

/// Name, user seconds and system seconds from the text of `/proc/<pid>/stat`.
fn ticks(stat: &str) -> anyhow::Result<(String, f64, f64)> {
    // The name in parentheses may hold anything; what follows the last one is numbers.
    let (head, fields) = stat.rsplit_once(')').context("stat")?;
    let (_, name) = head.split_once('(').context("stat")?;
    let seconds = |index: usize| -> anyhow::Result<f64> {
        let field = fields.split_whitespace().nth(index).context("stat")?;
        // 100 ticks a second (USER_HZ) on every supported architecture.
        Ok(field.parse::<f64>()? / 100.0)
    };
    Ok((name.to_owned(), seconds(11)?, seconds(12)?))
}

/// CPU seconds from the text of a `schedstat` file; `None` if the kernel doesn't count them.
fn nanoseconds(schedstat: &str) -> Option<f64> {
    let nanoseconds: f64 = schedstat.split_whitespace().next()?.parse().ok()?;
    (nanoseconds > 0.0).then_some(nanoseconds * 1e-9)
}

/// The number after `word` in the text of a `status` file.
fn number(status: &str, word: &str) -> anyhow::Result<u64> {
    let mut lines = status.lines();
    let rest = lines.find_map(|line| line.strip_prefix(word));
    let number = rest.and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| word.to_owned())?.parse()?)
}

/// The address in the URL that follows a word of the banner.
fn address(banner: &str, word: &str) -> Option<SocketAddr> {
    let mut lines = banner.lines().map(str::split_whitespace);
    let url = lines.find_map(|mut words| (words.next()? == word).then(|| words.next())?)?;
    url.strip_prefix("http://")?.split('/').next()?.parse().ok()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_banner() {
        let banner = "stillhouse 0.1.0 answers\n  predictions  http://127.0.0.1:81/predict   (docs at http://x/docs)\n  \
                      metrics      http://127.0.0.1:82/metrics\n";
        for (word, expected) in [
            ("predictions", Some("127.0.0.1:81")),
            ("metrics", Some("127.0.0.1:82")),
            ("docs", None),
        ] {
            let found = address(banner, word).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn times_are_read_behind_whatever_a_thread_is_called() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 10 0 0 0 250 50 0 0 20 0 5 0 100 1 2";
        let (name, user, system) = ticks(stat).expect("a line of the kernel's");
        assert_eq!((name.as_str(), user, system), ("a) b", 2.5, 0.5));
        assert!(ticks("7 (a").is_err());
        assert_eq!(nanoseconds("1500000000 7 3\n"), Some(1.5));
        assert_eq!(nanoseconds("0 0 0\n"), None);
        let status = "Name:\tx\nVmRSS:\t  12 kB\nvoluntary_ctxt_switches:\t3\nnonvoluntary_ctxt_switches:\t9\n";
        assert_eq!(number(status, "VmRSS:").ok(), Some(12));
        assert_eq!(number(status, "voluntary_ctxt_switches:").ok(), Some(3));
        assert!(number(status, "VmHWM:").is_err());
    }

    #[test]
    fn cpu_time_between_two_readings_is_a_difference() {
        let reading = |user_seconds, sleeps, threads: &[(&str, f64)]| CpuTime {
            user_seconds,
            system_seconds: 1.0,
            sleeps,
            by_thread: threads
                .iter()
                .map(|(name, seconds)| ((*name).to_owned(), *seconds))
                .collect(),
        };
        let before = reading(1.0, 5, &[("a", 1.0), ("gone", 1.0)]);
        let since = reading(4.0, 9, &[("a", 3.0), ("new", 0.5)]).since(&before);
        assert_eq!(since.seconds(), 3.0);
        assert_eq!(since.sleeps, 4);
        let threads: Vec<_> = since.by_thread.into_iter().collect();
        assert_eq!(threads, [("a".into(), 2.0), ("new".into(), 0.5)]);
    }
}
