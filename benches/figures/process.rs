//! A server in a process of its own, and what the kernel says of it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, bail};
use stillhouse_engine::Backend;

/// Killed when dropped.
pub struct Server {
    pub child: Child,
    pub address: SocketAddr,
    pub admin: Option<SocketAddr>,
}

impl Server {
    /// Starts the real binary and waits until it says that it answers.
    pub fn start(models: &Path, engine: Backend, more: &[&str]) -> anyhow::Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stillhouse"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .args(["--engine", &engine.to_string(), "--set", "log.filter=warn"])
            .arg("--models")
            .arg(models)
            .args(more)
            // The configuration of the working directory is about other models.
            .current_dir(models)
            .stdout(Stdio::piped())
            .spawn()?;
        let [address, admin] = addresses(&mut child, ["predictions", "metrics"])?;
        Ok(Self {
            child,
            address,
            admin: Some(admin),
        })
    }

    /// Starts this program again as the floor.
    pub fn start_floor() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--serve-floor")
            .stdout(Stdio::piped())
            .spawn()?;
        let [address] = addresses(&mut child, ["http"])?;
        Ok(Self {
            child,
            address,
            admin: None,
        })
    }

    /// User and system time so far.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold anything; what follows the last one is numbers.
        let fields = stat.rsplit_once(')').context("stat")?.1;
        let ticks = |index: usize| -> anyhow::Result<f64> {
            let field = fields.split_whitespace().nth(index).context("stat")?;
            Ok(field.parse()?)
        };
        // 100 ticks a second on every Linux of the last twenty years (USER_HZ).
        Ok((ticks(11)? + ticks(12)?) / 100.0)
    }

    pub fn rss_bytes(&self) -> anyhow::Result<u64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Rows and batches so far.
    pub fn batches(&self) -> anyhow::Result<(f64, f64)> {
        let Some(admin) = self.admin else {
            return Ok((f64::NAN, f64::NAN));
        };
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let sum = |name: &str| -> f64 {
            let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
            text.lines()
                .filter(|line| line.starts_with(name))
                .filter_map(value)
                .sum()
        };
        Ok((
            sum("stillhouse_batch_rows_sum"),
            sum("stillhouse_batch_rows_count"),
        ))
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(format!(
            "/proc/{}/{file}",
            self.child.id()
        ))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads what the child prints until each of `words` has come with an address.
fn addresses<const N: usize>(
    child: &mut Child,
    words: [&str; N],
) -> anyhow::Result<[SocketAddr; N]> {
    let stdout = child.stdout.take().context("piped")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut found = [None; N];
    while found.contains(&None) {
        let Some(line) = lines.next() else {
            bail!("the server ended before it answered");
        };
        let line = line?;
        for (address, word) in found.iter_mut().zip(words) {
            if line.trim_start().starts_with(word) {
                let rest = line.split("http://").nth(1).context("an address")?;
                *address = rest
                    .split(['/', ' '])
                    .next()
                    .and_then(|text| text.parse().ok());
            }
        }
    }
    // What it prints later must not meet a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Ok(found.map(|address| address.expect("found")))
}
