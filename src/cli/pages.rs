//! `stillhouse completions` and `stillhouse man`: written from the definition of the command line, so they can't be out of
//! date.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man as Page;

use super::{
    exit::{CODES, Exit},
    help::{self, CLIENT_VARIABLES, SERVER_VARIABLES},
    output::Stdout,
};

#[derive(Args)]
pub(super) struct Completions {
    /// The shell that reads them
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut help::command(), "stillhouse", &mut text);
        Stdout.write_all(&text)?;
        Ok(Exit::Done.into())
    }
}

#[derive(Args)]
pub(super) struct Man {
    /// The verb, e.g. `canary start` [default: the whole program]
    verb: Vec<String>,
    /// Write the pages of all verbs into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut root = help::command();
        // Fills in the names of the pages: `stillhouse-canary-start`.
        root.build();
        match &self.out {
            Some(folder) => {
                fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
                write_all(&root, folder)?;
            }
            None => {
                let mut command = &root;
                for word in &self.verb {
                    match command.find_subcommand(word) {
                        Some(verb) => command = verb,
                        None => bail!("there is no verb `{}`", self.verb.join(" ")),
                    }
                }
                Stdout.write_all(&page(command)?)?;
            }
        }
        Ok(Exit::Done.into())
    }
}

fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(format!("{}.1", name(command)));
    fs::write(&path, page(command)?).with_context(|| path.display().to_string())?;
    let verbs = command.get_subcommands();
    for verb in verbs.filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        write_all(verb, folder)?;
    }
    Ok(())
}

fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

/// A page in roff.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone()).title(name(command));
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    if command.get_subcommands().any(|verb| !verb.is_hide_set()) {
        page.render_subcommands_section(&mut roff)?;
    }
    let codes = CODES.map(|(code, meaning)| (code.to_string(), meaning));
    section(&mut roff, "EXIT STATUS", codes)?;
    let variables = CLIENT_VARIABLES.iter().chain(&SERVER_VARIABLES);
    let variables = variables.map(|(name, meaning)| ((*name).to_owned(), *meaning));
    section(&mut roff, "ENVIRONMENT", variables)?;
    if command.get_version().is_some() {
        page.render_version_section(&mut roff)?;
    }
    Ok(roff)
}

fn section<'a>(
    roff: &mut Vec<u8>,
    title: &str,
    rows: impl IntoIterator<Item = (String, &'a str)>,
) -> io::Result<()> {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    writeln!(roff, ".SH \"{title}\"")?;
    for (name, meaning) in rows {
        // `\&`: a line that begins with a full stop or an apostrophe would be a macro.
        writeln!(
            roff,
            ".TP\n\\fB{}\\fR\n\\&{}",
            escaped(&name),
            escaped(meaning)
        )?;
    }
    Ok(())
}
