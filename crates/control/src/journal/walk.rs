//! A log from its first line to its last, each checked against the one before.

use std::io::{self, BufRead, Read};

use super::{
    Fault, Seal,
    chain::{LINE_BYTES, Link, Tip},
};

/// Goes through a log from its first line, with a bounded piece of it in memory.
pub(super) struct Walk<'a, R> {
    reader: R,
    seal: &'a Seal,
    /// Of the last line that could be read: the next is expected to follow on it, whatever was wrong with it.
    pub(super) tip: Tip,
    /// How many lines have ended.
    pub(super) lines: u64,
    /// Up to the last line break.
    pub(super) length_bytes: u64,
    line: Vec<u8>,
}

/// One line of a walk; the number counts from 1.
pub(super) struct Visited {
    pub(super) number: u64,
    /// None if it can't be read at all.
    pub(super) link: Option<Link>,
    pub(super) fault: Option<Fault>,
}

impl<'a, R: BufRead> Walk<'a, R> {
    pub(super) fn new(reader: R, seal: &'a Seal) -> Self {
        Self {
            reader,
            seal,
            tip: Tip::origin(),
            lines: 0,
            length_bytes: 0,
            line: vec![],
        }
    }

    /// None at the end.
    pub(super) fn step(&mut self) -> io::Result<Option<Visited>> {
        self.line.clear();
        let limit = LINE_BYTES as u64;
        let mut bytes = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut self.line)? as u64;
        let mut ended = self.line.ends_with(b"\n");
        if bytes == limit && !ended {
            let (more, at_break) = pass_over_line(&mut self.reader)?;
            bytes += more;
            ended = at_break;
        }
        if bytes == 0 {
            return Ok(None);
        }
        let number = self.lines + 1;
        if !ended {
            return Ok(Some(Visited {
                number,
                link: None,
                fault: Some(Fault::Cut { bytes }),
            }));
        }
        self.lines = number;
        self.length_bytes += bytes;
        Ok(Some(match self.read(bytes) {
            Err(fault) => Visited {
                number,
                link: None,
                fault: Some(fault),
            },
            Ok(link) => {
                let fault = link.follows(&self.tip, self.seal).err();
                self.tip = link.tip.clone();
                Visited {
                    number,
                    link: Some(link),
                    fault,
                }
            }
        }))
    }

    fn read(&self, bytes: u64) -> Result<Link, Fault> {
        if bytes > LINE_BYTES as u64 {
            return Err(Fault::Form(format!("{bytes} bytes without a line break")));
        }
        let text = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        let text = str::from_utf8(text).map_err(|error| Fault::Form(error.to_string()))?;
        Link::read(text)
    }
}

/// Reads on behind the next line break or to the end: how many bytes, and whether there was a break.
fn pass_over_line(reader: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let mut passed = 0;
    loop {
        let piece = reader.fill_buf()?;
        let at = memchr::memchr(b'\n', piece);
        let used = at.map_or(piece.len(), |at| at + 1);
        let ended = at.is_some() || used == 0;
        reader.consume(used);
        passed += used as u64;
        if ended {
            return Ok((passed, at.is_some()));
        }
    }
}
