//! The last lines of the log, read from its end.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    JournalError, Line, audit,
    chain::{LINE_BYTES, Link},
    disk::at,
};
use crate::files;
use stillhouse_store::ModelName;

const BLOCK_BYTES: u64 = 64 << 10;

/// What happened, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct History {
    /// The lines.
    pub lines: Vec<Line>,
    /// How many lines among them can't be read: the log was damaged.
    pub unreadable: u64,
}

/// The newest lines, those about `model` if one is named; reads only as much of the file's end as that takes.
///
/// # Errors
/// The disk's.
pub fn history(
    folder: &Path,
    model: Option<&ModelName>,
    limit: usize,
) -> Result<History, JournalError> {
    let path = audit::path(folder);
    let file = match files::open(&path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(History::default()),
        file => at(&path, file)?,
    };
    let mut backwards = at(&path, Backwards::new(file))?;
    let mut history = History::default();
    while history.lines.len() < limit {
        let Some(text) = at(&path, backwards.step())? else {
            break;
        };
        let line = str::from_utf8(&text)
            .ok()
            .and_then(|text| Link::read(text).ok()?.line().ok());
        match line {
            None => history.unreadable += 1,
            Some(line) if model.is_none_or(|model| line.entry.model.as_ref() == Some(model)) => {
                history.lines.push(line);
            }
            Some(_) => {}
        }
    }
    Ok(history)
}

/// A file's lines from the last to the first.
struct Backwards {
    file: File,
    /// What stands before this is not read yet.
    start: u64,
    /// From `start` to the end of the next line, that line's break left out.
    rest: Vec<u8>,
    done: bool,
}

impl Backwards {
    fn new(file: File) -> io::Result<Self> {
        let start = file.metadata()?.len();
        let mut backwards = Self {
            file,
            start,
            rest: vec![],
            done: false,
        };
        // What follows the last line break is no line: it is torn, or being written at this moment.
        backwards.step()?;
        Ok(backwards)
    }

    /// None before the first line.
    fn step(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.done {
            return Ok(None);
        }
        // How much of `rest` was searched already.
        let mut searched = 0;
        loop {
            let unsearched = self.rest.len() - searched;
            if let Some(at) = memchr::memrchr(b'\n', &self.rest[..unsearched]) {
                let line = self.rest.split_off(at + 1);
                self.rest.pop();
                return Ok(Some(line));
            }
            if self.start == 0 {
                self.done = true;
                return Ok(Some(std::mem::take(&mut self.rest)));
            }
            // Of a line that is too long to be one, what was read is forgotten.
            self.rest.truncate(LINE_BYTES + 1);
            searched = self.rest.len();
            let block = BLOCK_BYTES.min(self.start);
            self.start -= block;
            let mut before = vec![0; block as usize];
            self.file.read_exact_at(&mut before, self.start)?;
            before.append(&mut self.rest);
            self.rest = before;
        }
    }
}
