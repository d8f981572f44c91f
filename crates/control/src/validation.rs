//! A version tried in a process of its own before it may enter this one: what crashes, hangs or eats memory there costs
//! this process nothing but the news.
//!
//! The child is this very program with the verb `validate`. It gets one [`Task`] as a line of JSON and gives one
//! [`ValidationResult`] back; `ending` describes every other way in which it may end. Its standard input stays open for as long as
//! its answer is wanted: a child that reads its end knows that its parent is gone, even after a kill -9 here.

mod ending;
mod task;

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    time::timeout,
};

use super::LoadingSettings;
use ending::Ending;
pub use task::{Subject, Task, Validated, ValidationResult};

/// The hidden verb of the command line that [`Validation`] calls.
pub const VERB: &str = "validate";

/// The hidden flag of `serve` that only tries the file.
pub const TRY_OUT: &str = "--try-out";

/// How much is kept of either stream of the child, its last bytes; the rest is read and forgotten.
const KEPT_BYTES: usize = 16 << 10;

/// How long a killed child is waited for: one that hangs in the kernel is left to it.
const BURIAL: Duration = Duration::from_secs(5);

/// Why a version may not enter.
#[derive(Debug, thiserror::Error)]
pub enum ValidationError {
    /// It was tried, and is not what it should be.
    #[error("{0}")]
    Refused(String),
    /// It was still at it.
    #[error("validation was stopped after {seconds} s (loading.timeout_seconds)")]
    TimedOut {
        /// The limit.
        seconds: u64,
    },
    /// It wanted more memory than it may have.
    #[error("validation needed more than {limit_bytes} bytes of memory (loading.memory_bytes)")]
    OutOfMemory {
        /// The limit.
        limit_bytes: u64,
    },
    /// The engine, or whatever ran there, ended the process.
    #[error("validation crashed ({status}){}", ending::quoted(.last_line))]
    Crashed {
        /// Signal or code.
        status: ExitStatus,
        /// The last line of its standard error, cut; may be empty.
        last_line: String,
    },
    /// There was no process.
    #[error("validation can't be started: {0}")]
    Spawn(#[source] io::Error),
}

/// Tries versions.
#[derive(Clone, Debug)]
pub struct Validation {
    program: PathBuf,
    environment: Vec<(String, String)>,
    timeout_seconds: u64,
    memory_bytes: u64,
}

impl Validation {
    /// `program` is this very program, [`std::env::current_exe`] outside tests.
    pub fn new(program: PathBuf, settings: &LoadingSettings) -> Self {
        Self {
            program,
            environment: vec![],
            timeout_seconds: settings.timeout_seconds,
            memory_bytes: settings.memory_bytes,
        }
    }

    /// Adds a variable to the child's environment, which is this one's without `STILLHOUSE_*`: what a network's bytes
    /// may get hold of must not find the operators' tokens.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Tries one version; takes as long as reading, loading and running it takes. Dropping the future kills the child.
    ///
    /// # Errors
    /// Each way in which it isn't good.
    pub async fn check(&self, subject: Subject) -> Result<Validated, ValidationError> {
        let gives_way = subject.beside_traffic;
        let task = Task {
            subject,
            memory_bytes: self.memory_bytes,
        };
        let mut line = serde_json::to_vec(&task)
            .map_err(|error| ValidationError::Spawn(io::Error::other(error)))?;
        line.push(b'\n');
        let mut command = self.command(|name| name.starts_with("STILLHOUSE_"));
        command.arg(VERB);
        let child = match gives_way {
            true => start_giving_way(command).await,
            false => command.spawn(),
        };
        self.judge(child, &line).await
    }

    /// Tries what these arguments of the command line serve, with [`TRY_OUT`] among them: a network that stands in no repository is
    /// described by running it, so all of that happens in the child first. Its configuration is this process's, without the tokens.
    ///
    /// # Errors
    /// Each way in which it isn't good.
    pub async fn check_file(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Validated, ValidationError> {
        let is_secret = |name: &str| name.starts_with("STILLHOUSE_") && name.contains("TOKEN");
        let mut command = self.command(is_secret);
        command.args(arguments).arg(TRY_OUT);
        self.judge(command.spawn(), b"").await
    }

    async fn judge(
        &self,
        child: io::Result<Child>,
        line: &[u8],
    ) -> Result<Validated, ValidationError> {
        let mut child = child.map_err(ValidationError::Spawn)?;
        let deadline = Duration::from_secs(self.timeout_seconds);
        match timeout(deadline, converse(&mut child, line)).await {
            Ok(ending) => ending
                .map_err(ValidationError::Spawn)?
                .judge(self.memory_bytes),
            Err(_) => {
                let _ = timeout(BURIAL, child.kill()).await;
                Err(ValidationError::TimedOut {
                    seconds: self.timeout_seconds,
                })
            }
        }
    }

    /// The program, without the variables that it must not see.
    fn command(&self, is_hidden: impl Fn(&str) -> bool) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if is_hidden(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Starts the child from a thread that gives way: the child then does so from its first instruction on, and no thread that
/// answers is stopped while the kernel replaces one program by the other.
async fn start_giving_way(mut command: Command) -> io::Result<Child> {
    let runtime = Handle::current();
    let (started, child) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        stillhouse_engine::give_way();
        let _inside = runtime.enter();
        // If its caller is gone, it is dropped, which kills it.
        let _ = started.send(command.spawn());
    })?;
    let lost = |_| io::Error::other("the thread that starts it has died");
    child.await.map_err(lost)?
}

/// Gives the child its task and reads its answer.
async fn converse(child: &mut Child, task: &[u8]) -> io::Result<Ending> {
    let gone = || io::Error::other("a stream of the child is missing");
    let mut stdin = child.stdin.take().ok_or_else(gone)?;
    let stdout = child.stdout.take().ok_or_else(gone)?;
    let stderr = child.stderr.take().ok_or_else(gone)?;
    let give = async {
        // A child that doesn't take it says why by its end.
        let _ = stdin.write_all(task).await;
        let _ = stdin.flush().await;
    };
    let (stdout, stderr, (), status) = tokio::join!(tail(stdout), tail(stderr), give, child.wait());
    // Open until here: closing it ends the child if this process ends first.
    drop(stdin);
    Ok(Ending {
        status: status?,
        stdout: stdout?,
        stderr: stderr?,
    })
}

/// Reads to the end and keeps the last [`KEPT_BYTES`].
async fn tail(mut stream: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&chunk[..read]);
        let surplus = kept.len().saturating_sub(KEPT_BYTES);
        kept.drain(..surplus);
    }
}
