//! The pure steps of a prediction, in instructions: a regression is visible even on a noisy machine.
//!
//! `make check-instructions` counts and compares with benches/instructions/kept.toml; `make instructions` rewrites that
//! file. Both build this in the profile given in the Makefile: the crate optimised as for release, as one unit and
//! without incremental compilation, so that earlier builds have no effect; dependencies as for the tests, which are
//! built already.
//!
//! The counts are those of valgrind's emulated processor, which has AVX2 and no AVX-512 on every machine, so glibc and
//! the decoders choose the same variants everywhere. The environment is emptied, since its size moves the stack; keys
//! and pictures are fixed, and the split's hash has a fixed key. Each piece is counted in its own process, over calls
//! that follow some uncounted ones: the cost of a first call is not included.

#[path = "instructions/callgrind.rs"]
mod callgrind;
#[path = "instructions/kept.rs"]
mod kept;
#[path = "path/network.rs"]
mod network;
#[path = "path/pieces.rs"]
mod pieces;
#[path = "path/slot.rs"]
mod slot;

use std::{collections::BTreeMap, fs, path::Path, process::ExitCode};

use anyhow::{Context, bail};
use clap::Parser;

use kept::Kept;

#[derive(Parser)]
struct Flags {
    /// Write the counts to the file instead of comparing them.
    #[arg(long)]
    update: bool,
    /// Call this piece: for valgrind.
    #[arg(long, hide = true)]
    call: Option<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(name) = flags.call {
        let piece = pieces::PIECES.iter().find(|(piece, _)| *piece == name);
        let (_, ready) = piece.with_context(|| format!("no piece `{name}`"))?;
        callgrind::call(&mut *ready());
        return Ok(ExitCode::SUCCESS);
    }
    if cfg!(debug_assertions) || flags.bench {
        bail!("this build can't be compared with the kept counts\nnext: make check-instructions");
    }
    if !avx2() {
        println!("skipped: the kept counts were counted on x86-64 with AVX2");
        return Ok(ExitCode::SUCCESS);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/kept.toml");
    let compiler = callgrind::compiler()?;
    let mut counted = BTreeMap::new();
    for (name, _) in pieces::PIECES {
        counted.insert(name.to_owned(), callgrind::count(name)?);
    }
    if flags.update {
        let kept = Kept::new(compiler, counted);
        fs::write(&path, kept.to_text()).with_context(|| path.display().to_string())?;
        println!("{}", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kept: Kept = toml::from_str(&text).with_context(|| path.display().to_string())?;
    if kept.compiler != compiler {
        println!(
            "skipped: the kept counts were counted with {}, this is {compiler}\nnext: make instructions",
            kept.compiler
        );
        return Ok(ExitCode::SUCCESS);
    }
    let compared = kept.compare(&counted);
    compared.iter().for_each(|one| println!("{one}"));
    if compared.iter().any(kept::Compared::is_bad) {
        println!(
            "next: find what was added, or `make instructions` and explain in the commit why it is worth it"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}
