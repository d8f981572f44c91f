//! Fuzz targets: each is a function that gives one input to one parser and panics if a promise is broken.
//!
//! `fuzz/run` mutates the inputs with libFuzzer; `tests/corpus.rs` gives each file of the corpus to its target, as an ordinary
//! test.

mod archive;
mod journal;
mod manifest;
mod network;
mod picture;
mod repository;
mod request;

/// One input for one parser.
pub type Target = fn(&[u8]);

/// All targets by name; `corpus/<name>/` holds their first inputs.
pub const TARGETS: [(&str, Target); 10] = [
    ("archive", archive::unpack),
    ("exif", picture::exif),
    ("instances", request::instances),
    ("jpeg", picture::jpeg),
    ("journal", journal::recover),
    ("manifest", manifest::read),
    ("multipart", request::multipart),
    ("onnx", network::walk),
    ("png", picture::png),
    ("webp", picture::webp),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, target)| *target)
}
