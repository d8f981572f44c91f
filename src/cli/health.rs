//! `stillhouse health`: asks the server of this configuration whether it is ready. For health checks in containers,
//! which have no other HTTP client.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;

use super::ConfigSource;

/// A Stillhouse server's status line is shorter.
const STATUS_LINE_BYTES: u64 = 256;

/// Ask the server of this configuration whether it is ready; exit code 0 means that it is.
#[derive(Args)]
pub(super) struct Health {
    #[command(flatten)]
    source: ConfigSource,
    /// Ask at this address, such as the data plane's, instead of the admin plane's.
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Address of the admin plane, which answers even while the data plane is flooded.
    #[arg(long)]
    admin_listen: Option<SocketAddr>,
    /// Milliseconds within which it must answer.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    timeout_ms: u64,
}

impl Health {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let asked = self.listen.or(self.admin_listen);
        let listen = asked.map(|address| address.to_string());
        let config = self
            .source
            .load(&[("server.admin_listen", "--admin-listen", listen)])?;
        let address = reachable(config.server.admin_listen);
        ask(address, Duration::from_millis(self.timeout_ms))?;
        say!("{address} is ready");
        Ok(ExitCode::SUCCESS)
    }
}

/// The address for reaching a server that listens on `listen`: loopback if it listens on all addresses.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

pub(super) fn ask(address: SocketAddr, timeout: Duration) -> anyhow::Result<()> {
    let line =
        status_line(address, timeout).with_context(|| format!("{address} doesn't answer"))?;
    match line.split(' ').nth(1) {
        Some("200") if line.starts_with("HTTP/1.") => Ok(()),
        Some("503") => bail!("{address} is not ready: it is starting or draining"),
        _ => bail!(
            "{address} is not a Stillhouse server: it answers GET /readyz with `{}`",
            line.escape_debug()
        ),
    }
}

fn status_line(address: SocketAddr, timeout: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = String::new();
    BufReader::new(stream.take(STATUS_LINE_BYTES)).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// The outcome of `health` for a server that sends this answer; with `None` it accepts the connection and sends nothing.
    fn asked(answer: Option<&'static str>, timeout: Duration) -> Result<(), String> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = socket.local_addr().expect("bound");
        let server = thread::spawn(move || {
            let (mut stream, _) = socket.accept().expect("a client");
            let mut head = BufReader::new(stream.try_clone().expect("a handle")).lines();
            let first = head.next().expect("a line").expect("text");
            let rest = head.map(|line| line.expect("text"));
            let headers = rest.take_while(|line| !line.is_empty()).count();
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).expect("sent"),
                // Ends when the client has gone.
                None => drop(stream.read(&mut [0])),
            }
            (first, headers)
        });
        let outcome = ask(address, timeout).map_err(|error| format!("{error:#}"));
        assert_eq!(
            server.join().expect("served"),
            ("GET /readyz HTTP/1.1".to_owned(), 2)
        );
        outcome
    }

    #[test]
    fn the_status_decides() {
        let long = Duration::from_secs(60);
        assert_eq!(
            asked(
                Some("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n"),
                long
            ),
            Ok(())
        );
        for (answer, part) in [
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "not ready"),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "not a Stillhouse server"),
            ("SSH-2.0 200\r\n", "not a Stillhouse server"),
            ("", "not a Stillhouse server"),
        ] {
            let error = asked(Some(answer), long).expect_err(answer);
            assert!(error.contains(part), "{error} must say {part}");
        }
    }

    #[test]
    fn silence_ends_at_the_timeout() {
        let error = asked(None, Duration::from_millis(20)).expect_err("no answer");
        assert!(error.contains("doesn't answer"), "{error}");
    }

    #[test]
    fn nobody_there_is_an_error() {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = socket.local_addr().expect("bound");
        drop(socket);
        assert!(ask(address, Duration::from_secs(60)).is_err());
    }

    #[test]
    fn all_addresses_are_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            let listen: SocketAddr = listen.parse().expect("an address");
            assert_eq!(reachable(listen).to_string(), asked);
        }
    }
}
