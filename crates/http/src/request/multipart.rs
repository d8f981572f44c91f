//! `multipart/*` (RFC 2046) in memory: a body is cut into its parts, which share its bytes; nothing is copied.

use bytes::Bytes;
use memchr::memmem::Finder;

/// The lines before a part's content may have so many bytes.
const MAX_PART_HEAD_BYTES: usize = 8 << 10;

/// A part without its headers, except those that say what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Whether it has a Content-Disposition, as every field of a form has.
    pub is_field: bool,
    /// The field's name.
    pub name: String,
    /// The file's name; `Some("")` where no file was chosen.
    pub file_name: Option<String>,
    /// Lower case, without parameters.
    pub content_type: Option<String>,
    /// Shares the body's memory.
    pub content: Bytes,
}

/// The boundary that a Content-Type states.
pub(super) fn boundary(content_type: &str) -> Result<String, &'static str> {
    let boundary = parameter(content_type, "boundary")
        .ok_or("the Content-Type states no boundary; leave it to your HTTP library to write it")?;
    match boundary.len() {
        1..=70 => Ok(boundary),
        _ => Err("a boundary has 1 to 70 characters"),
    }
}

/// Cuts a body into its parts, one at a time.
pub(super) struct Parts<'a> {
    body: &'a Bytes,
    delimiter: Finder<'static>,
    /// Where the next part's headers begin; `None` after the last part, or after an error.
    at: Option<usize>,
    begun: bool,
}

impl<'a> Parts<'a> {
    pub(super) fn new(body: &'a Bytes, boundary: &str) -> Self {
        Self {
            body,
            delimiter: Finder::new(&format!("\r\n--{boundary}")).into_owned(),
            at: Some(0),
            begun: false,
        }
    }

    /// The first delimiter may stand at the very beginning; what is before it is no part.
    fn first(&self) -> Result<Option<usize>, &'static str> {
        let line = &self.delimiter.needle()[2..];
        let end = match self.body.starts_with(line) {
            true => line.len(),
            false => {
                let found = self.delimiter.find(self.body);
                found.ok_or("it doesn't hold the boundary that its Content-Type states")?
                    + self.delimiter.needle().len()
            }
        };
        self.after_delimiter(end)
    }

    /// Where the part after a delimiter begins; `None` if it was the last delimiter.
    fn after_delimiter(&self, end: usize) -> Result<Option<usize>, &'static str> {
        let rest = &self.body[end..];
        if rest.starts_with(b"--") {
            return Ok(None);
        }
        let line = memchr::memchr(b'\n', rest).ok_or("it ends before its last boundary")?;
        match rest[..line].trim_ascii().is_empty() {
            true => Ok(Some(end + line + 1)),
            false => Err("a boundary is followed by other text"),
        }
    }

    fn part(&mut self, start: usize) -> Result<Part, &'static str> {
        let (mut part, content) = head(&self.body[start..])?;
        let content = start + content;
        // The content may be empty: the line end before the delimiter is then the one after the headers.
        let from = content - 2;
        let end = self.delimiter.find(&self.body[from..]);
        let end = from + end.ok_or("it ends before its last boundary")?;
        part.content = self.body.slice(content..end.max(content));
        self.at = self.after_delimiter(end + self.delimiter.needle().len())?;
        Ok(part)
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if !self.begun {
            self.begun = true;
            match self.first() {
                Ok(at) => self.at = at,
                Err(error) => {
                    self.at = None;
                    return Some(Err(error));
                }
            }
        }
        let start = self.at.take()?;
        Some(self.part(start))
    }
}

/// A part's headers, and where its content begins.
fn head(part: &[u8]) -> Result<(Part, usize), &'static str> {
    let mut read = Part::default();
    let mut at = 0;
    loop {
        let rest = &part[at..];
        let line = memchr::memchr(b'\n', rest).ok_or("a part ends in its headers")?;
        at += line + 1;
        if at > MAX_PART_HEAD_BYTES {
            return Err("the headers of a part are too long");
        }
        let line = rest[..line]
            .strip_suffix(b"\r")
            .ok_or("lines must end with CR and LF")?;
        if line.is_empty() {
            return Ok((read, at));
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line
            .split_once(':')
            .ok_or("a part has a header without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-disposition") {
            read.is_field = true;
            read.name = parameter(value, "name").unwrap_or_default();
            read.file_name = parameter(value, "filename").or_else(|| parameter(value, "filename*"));
        } else if name.eq_ignore_ascii_case("content-type") {
            let kind = value.split(';').next().unwrap_or_default().trim();
            read.content_type = Some(kind.to_ascii_lowercase());
        }
    }
}

/// The value of a parameter: `form-data; name="a"; filename=b`. A `;` in quotes separates nothing.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (text, after) = value_of(after.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after.split_once(';')?.1;
    }
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            // Browsers don't escape the backslash of a path, so it escapes nothing but a quote.
            '\\' if quoted[at + 1..].starts_with('"') => {
                value.push('"');
                characters.next();
            }
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(body: &str) -> Result<Vec<Part>, &'static str> {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Parts::new(&body, "B").collect()
    }

    #[test]
    fn a_form_is_cut_at_its_boundary() {
        let body = "preamble\r\n--B \r\nContent-Disposition: form-data; name=\"a\"; filename=\"x;y.png\"\r\n\
            Content-Type: IMAGE/png; q=1\r\n\r\nline\r\n--C\r\n\r\n--B\r\ncontent-disposition: form-data; name=b\r\n\r\n\r\n--B--\r\nepilogue";
        let found = parts(body).expect("a form");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "a");
        assert_eq!(found[0].file_name.as_deref(), Some("x;y.png"));
        assert_eq!(found[0].content_type.as_deref(), Some("image/png"));
        assert_eq!(found[0].content, "line\r\n--C\r\n");
        assert_eq!(
            (found[1].name.as_str(), &found[1].content[..]),
            ("b", &b""[..])
        );
        assert!(found[1].is_field && found[1].file_name.is_none());
    }

    #[test]
    fn the_smallest_forms_have_no_part_or_an_empty_one() {
        assert_eq!(parts("--B--"), Ok(vec![]));
        let bare = parts("--B\r\n\r\n\r\n--B--\r\n").expect("a part");
        assert_eq!(bare, vec![Part::default()]);
        let empty = parts("--B\r\n\r\n--B--\r\n").expect("a part");
        assert_eq!(empty, vec![Part::default()]);
    }

    #[test]
    fn what_is_broken_is_named() {
        for (body, reason) in [
            ("", "doesn't hold the boundary"),
            ("--C--", "doesn't hold the boundary"),
            ("--B\r\n", "ends in its headers"),
            ("--B\r\nname\r\n\r\n--B--", "without a colon"),
            ("--B\r\na: b\n\r\n--B--", "CR and LF"),
            ("--B\r\n\r\nabc", "before its last boundary"),
            ("--B\r\n\r\nabc\r\n--B", "before its last boundary"),
            ("--Bx\r\n\r\nabc\r\n--B--", "followed by other text"),
        ] {
            let error = parts(body).expect_err(body);
            assert!(error.contains(reason), "{body:?}: {error}");
        }
        assert_eq!(
            boundary("multipart/form-data; boundary=\"a b\""),
            Ok("a b".into())
        );
        assert_eq!(
            boundary("multipart/form-data; x=1; Boundary=ab"),
            Ok("ab".into())
        );
        assert!(boundary("multipart/form-data").is_err());
        assert!(boundary(&format!("multipart/x; boundary={}", "b".repeat(71))).is_err());
    }
}
