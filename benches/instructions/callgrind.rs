//! Counting by valgrind's callgrind: this program starts itself under it, once per piece.

use std::{
    env, fs,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

/// Calls before counting begins: they fill the caches of the allocator and of thread-locals.
const WARM: u64 = 20;

const COUNTED: u64 = 100;

/// Callgrind counts while this function runs: its name is passed to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn stillhouse_counted(call: &mut &mut dyn FnMut()) {
    for _ in 0..COUNTED {
        call();
    }
}

/// Calls a piece as often as it is counted.
pub(crate) fn call(mut piece: &mut dyn FnMut()) {
    for _ in 0..WARM {
        piece();
    }
    stillhouse_counted(&mut piece);
}

/// Instructions of one call of a piece.
pub(crate) fn count(name: &str) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("callgrind");
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&out);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=stillhouse_counted"])
        .arg(option)
        .arg(env::current_exe()?)
        .args(["--call", name])
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .output()
        .context("valgrind can't be started\nnext: apt-get install valgrind")?;
    ensure!(
        output.status.success(),
        "valgrind on `{name}`: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&out).context("callgrind's output")?;
    let total = super::kept::total(&text).context("callgrind's total")?;
    Ok(total / COUNTED)
}

/// The compiler's description of itself.
pub(crate) fn compiler() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
