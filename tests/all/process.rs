//! The binary itself: its banner, its signals, its exit codes.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use stillhouse_engine::Backend;

use crate::{
    engines::backends,
    toy::{SIDE, golden, gray_png, network, write, write_version},
};

pub(crate) struct Process {
    child: Child,
    stdout: BufReader<ChildStdout>,
    banner: String,
    repository: Option<tempfile::TempDir>,
}

impl Process {
    /// Starts `stillhouse serve` and reads its banner to the end.
    pub(crate) fn start(backend: Backend, more: &[&str]) -> Self {
        Self::start_with(backend, more, &[])
    }

    /// Like `start`, with these variables in its environment.
    pub(crate) fn start_with(backend: Backend, more: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), golden());
        let models = folder.path().to_owned();
        let mut process = Self::start_on(backend, &models, &models, more, variables);
        process.repository = Some(folder);
        process
    }

    /// Serves a repository that outlives the process and holds its state, too.
    pub(crate) fn start_in(folder: &Path, backend: Backend, more: &[&str]) -> Self {
        Self::start_on(backend, folder, folder, more, &[])
    }

    /// Serves the repository `models` of a folder that outlives the process.
    pub(crate) fn start_at(backend: Backend, folder: &Path, more: &[&str]) -> Self {
        Self::start_on(backend, &folder.join("models"), folder, more, &[])
    }

    fn start_on(
        backend: Backend,
        models: &Path,
        folder: &Path,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let mut child = serve(backend, models, folder)
            .args(more)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut banner = String::new();
        while !banner.contains("curl ") {
            let read = stdout.read_line(&mut banner).expect("text");
            assert!(read > 0, "the server ended: {banner}{}", stderr(&mut child));
        }
        Self {
            child,
            stdout,
            banner,
            repository: None,
        }
    }

    /// The word that follows `label` in the banner.
    pub(crate) fn address(&self, label: &str) -> &str {
        let line = self
            .banner
            .lines()
            .find(|line| line.trim_start().starts_with(label));
        line.and_then(|line| line.split_whitespace().nth(1))
            .expect("a line of the banner")
    }

    /// The model repository.
    pub(crate) fn repository(&self) -> &Path {
        self.repository.as_ref().expect("its own").path()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("an end").code()
    }

    /// What it printed when it was ready.
    pub(crate) fn banner(&self) -> &str {
        &self.banner
    }

    /// What it logged until it ended, after SIGTERM.
    pub(crate) fn log_after_sigterm(mut self) -> String {
        self.signal("TERM");
        let log = stderr(&mut self.child);
        let status = self.child.wait().expect("an end");
        assert_eq!(status.code(), Some(0), "{log}");
        log
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill").success());
    }
}

/// `stillhouse serve` of these models, on free ports.
pub(crate) fn serve(backend: Backend, models: &Path, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stillhouse"));
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--engine", &backend.to_string(), "--models"])
        .arg(models)
        .current_dir(folder); // no config/stillhouse.toml here
    command
}

/// A folder with these versions of the toy network.
pub(crate) fn repository(versions: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for version in versions {
        write_version(folder.path(), version, network(), golden());
    }
    folder
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    let pipe = child.stderr.as_mut().expect("piped");
    pipe.read_to_string(&mut text).expect("text");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_curl_works_and_sigterm_ends_with_0() {
    for backend in backends() {
        let mut process = Process::start(backend, &[]);
        let banner = process.banner.clone();
        for word in ["toy", "stable", "v1", &backend.to_string()] {
            assert!(banner.contains(word), "{banner}");
        }
        let curl = banner.lines().last().expect("the curl line").trim();
        let answer = Command::new("sh").args(["-c", curl]).output();
        let answer = answer.expect("a shell");
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(text.contains("\"label\":\"dark\""), "{curl}: {text}");
        let metrics = reqwest::get(process.address("metrics"))
            .await
            .expect("an answer");
        let metrics = metrics.text().await.expect("text");
        assert!(
            metrics.contains("process_resident_memory_bytes"),
            "{metrics}"
        );

        process.signal("TERM");
        let status = process.child.wait().expect("an end");
        assert_eq!(status.code(), Some(0), "{}", stderr(&mut process.child));
        let mut rest = String::new();
        process.stdout.read_to_string(&mut rest).expect("text");
        let log = stderr(&mut process.child);
        for line in log.lines() {
            let event: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(
                event["level"].is_string() && event["timestamp"].is_string(),
                "{line}"
            );
        }
        assert!(log.contains("draining"), "{log}");
    }
}

/// ONNX Runtime's library would create a database of events there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_to_the_users_home() {
    for backend in backends() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().to_str().expect("UTF-8");
        // Without the call that forbids it.
        let variables = [
            ("HOME", path),
            ("XDG_CACHE_HOME", path),
            ("ORT_DISABLE_TELEMETRY", "0"),
        ];
        let process = Process::start_with(backend, &[], &variables);
        let url = process.address("predictions");
        let client = reqwest::Client::new();
        let answer = client.post(url).body(gray_png(SIDE, 0)).send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
        let written: Vec<_> = std::fs::read_dir(home.path()).expect("a folder").collect();
        assert!(written.is_empty(), "{backend}: {written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_a_second_sigterm_ends_it_after_a_second_and_not_before() {
    let mut process = Process::start(
        Backend::Tract,
        &["--set", "requests.body_timeout_seconds=600"],
    );
    let url = process.address("predictions").to_owned();
    let address = url
        .trim_start_matches("http://")
        .split('/')
        .next()
        .expect("an address");
    // Half a body: without a second signal, the server waits for the rest until the drain ends.
    let mut stuck = std::net::TcpStream::connect(address).expect("connects");
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf";
    std::io::Write::write_all(&mut stuck, head.as_bytes()).expect("writes");
    let metrics = process.address("metrics").to_owned();
    loop {
        let text = reqwest::get(&metrics)
            .await
            .expect("an answer")
            .text()
            .await
            .expect("text");
        if text.contains("stillhouse_requests_in_flight 2") {
            break;
        }
    }
    process.signal("TERM");
    let mut log = BufReader::new(process.child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("draining") {
        line.clear();
        assert!(
            log.read_line(&mut line).expect("text") > 0,
            "the drain is logged"
        );
    }
    let first = Instant::now();
    // As a process manager and a container's init may each send one: they are one wish.
    process.signal("TERM");
    process.signal("INT");
    line.clear();
    while !line.contains("the same signal again within a second") {
        line.clear();
        let read = log.read_line(&mut line).expect("text");
        assert!(read > 0 || first.elapsed() > Duration::from_secs(1));
    }
    assert_eq!(process.child.try_wait().expect("a process"), None);
    while first.elapsed() < Duration::from_millis(1100) {}
    process.signal("TERM");
    assert_eq!(process.child.wait().expect("an end").code(), Some(130));
}

/// The log's next line with these words.
fn logged(log: &mut impl BufRead, words: &str) -> String {
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        let read = log.read_line(&mut line).expect("text");
        assert!(read > 0, "the log ended without `{words}`");
    }
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn d11_sighup_rereads_tokens_log_filter_and_repository_and_ends_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (tokens, config) = (folder.path().join("tokens"), folder.path().join("a.toml"));
    let write_tokens = |secret: &str| {
        std::fs::write(&tokens, format!("operator ada {secret}\n")).expect("written");
    };
    let write_config = |filter: &str, queue: u32| {
        let text = format!(
            "[admin]\ntokens_file = {tokens:?}\n[log]\nfilter = \"{filter}\"\n[batch]\nqueue = {queue}\n\
             [loading]\npoll_seconds = 0\n[models.toy]\nstable = \"v1\"\n"
        );
        std::fs::write(&config, text).expect("written");
    };
    write_tokens("the-first-secret-of-ada");
    write_config("info", 256);
    let config_flag = ["--config", config.to_str().expect("UTF-8")];
    let mut process = Process::start(Backend::Tract, &config_flag);
    let models = process
        .address("metrics")
        .replace("/metrics", "/admin/models");
    let asked_with = async |secret: &str| {
        let client = reqwest::Client::new();
        let answer = client.get(&models).bearer_auth(secret).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(asked_with("the-first-secret-of-ada").await, 200);
    let mut log = BufReader::new(process.child.stderr.take().expect("piped"));

    write_tokens("the-second-secret-of-ada");
    write_config("stillhouse=debug,info", 128);
    process.signal("HUP");
    let line = logged(&mut log, "reread: tokens, log filter and repository");
    assert!(line.contains("\"needs_restart\":\"batch.queue\""), "{line}");
    assert_eq!(asked_with("the-second-secret-of-ada").await, 200);
    assert_eq!(asked_with("the-first-secret-of-ada").await, 401);

    // What can't be read changes nothing.
    write_config("no=filter=at=all", 256);
    process.signal("HUP");
    let line = logged(&mut log, "everything stays as it was");
    assert!(line.contains("log.filter"), "{line}");
    write_config("info", 256);
    std::fs::write(&tokens, "operator ada short\n").expect("written");
    process.signal("HUP");
    logged(&mut log, "everything stays as it was");
    assert_eq!(asked_with("the-second-secret-of-ada").await, 200);

    process.signal("TERM");
    assert_eq!(process.ended(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_the_middle_of_a_load_ends_with_0_and_takes_the_child_along() {
    // The child that tries the new version hangs until it is killed.
    let hangs = [("FAILPOINTS", "validate::v2=sleep(600000)")];
    let mut process = Process::start_with(
        Backend::Tract,
        &[
            "--set",
            "server.drain_timeout_seconds=1",
            "--set",
            "models.toy.stable=v1",
        ],
        &hangs,
    );
    let models = process.repository();
    write_version(models, "v2", network(), golden());
    let admin = process
        .address("metrics")
        .replace("/metrics", "/admin/models/toy/versions/v2/load");
    let load = tokio::spawn(reqwest::Client::new().post(admin).body("{}").send());
    let server = process.child.id();
    let child = loop {
        if let Some(child) = child_of(server) {
            break child;
        }
    };
    process.signal("TERM");
    assert_eq!(process.child.wait().expect("an end").code(), Some(0));
    let _ = load.await.expect("no panic");
    // Its standard input has ended with its server: no process is left to read its result.
    while std::fs::exists(format!("/proc/{child}/exe")).is_ok_and(|there| there) {}
}

/// A child process of another process, once it runs its own program.
fn child_of(parent: u32) -> Option<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).ok()?;
    // Any of the server's threads may have started it.
    let children =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    children
        .collect::<String>()
        .split_whitespace()
        .find_map(|child| {
            let arguments = std::fs::read_to_string(format!("/proc/{child}/cmdline")).ok()?;
            arguments.contains("validate").then(|| child.parse().ok())?
        })
}

#[test]
fn usage_errors_print_one_line_and_fail() {
    let picture = gray_png(SIDE, 0);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("picture.png");
    std::fs::write(&file, picture).expect("written");
    let file = file.to_str().expect("UTF-8");
    for (args, words) in [
        (vec!["serve", "--models", "/nonexistent"], "/nonexistent"),
        (
            vec!["serve", "--set", "batch.queu=1"],
            "did you mean `queue`",
        ),
        (vec!["serve", "--set", "nonsense"], "KEY=VALUE"),
        (
            vec!["config", "check", "--config", "/nonexistent.toml"],
            "/nonexistent.toml",
        ),
        (vec!["serve", file, "--labels", file], "picture.png"),
        (vec!["health", "--listen", "127.0.0.1:1"], "127.0.0.1:1"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
            .args(&args)
            .current_dir(folder.path())
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        assert!(text.contains(words), "{args:?}: {text}");
        assert!(!text.contains("panicked"), "{args:?}: {text}");
    }
}

/// What a manifest says reaches the terminal as text, in tables, JSON and errors.
#[test]
fn d12_terminal_escapes_of_a_manifest_are_shown_not_obeyed() {
    let hostile = "nice\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}txt";
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), golden());
    let path = folder.path().join("toy/v1/manifest.toml");
    let manifest = std::fs::read_to_string(&path).expect("a manifest");
    let escaped: String = hostile
        .chars()
        .map(|char| format!("\\U{:08x}", u32::from(char)))
        .collect();
    let described = format!("description = \"{escaped}\"\n{manifest}");
    std::fs::write(&path, &described).expect("written");
    let broken = folder.path().join("toy/v2");
    std::fs::create_dir(&broken).expect("made");
    let key = format!("\"{escaped}\" = 1\n{described}");
    std::fs::write(broken.join("manifest.toml"), key).expect("written");
    for args in [
        &["models", "list"][..],
        &["models", "list", "--json"],
        &["models", "show", "toy/v1"],
        &["models", "show", "toy/v1", "--json"],
        &["models", "check"],
        &["serve", "--set", "models.toy.stable=v2"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
            .args(args)
            .args(["--models".as_ref(), folder.path().as_os_str()])
            .current_dir(folder.path())
            .output()
            .expect("runs");
        let printed = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(printed).expect("UTF-8");
        let acts = |char: &char| char.is_control() && *char != '\n' || *char == '\u{202e}';
        assert_eq!(text.chars().find(acts), None, "{args:?}: {text:?}");
        if args[0] == "models" {
            assert!(text.contains("nice"), "{args:?}: {text}");
        }
        if args.contains(&"--json") {
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert!(json.to_string().contains("owned"), "{json}");
        }
    }
}
