//! Files that people give in place of an ONNX network, recognised by their first bytes.

use memchr::memmem;

/// So many first bytes are enough to recognise a file.
pub const HEAD_BYTES: usize = 4096;

/// The page that shows how networks are exported.
const PAGE: &str = "docs/bring-your-own.md";

/// A file that is no ONNX network, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, with its article.
    pub what: &'static str,
    /// The next step.
    pub advice: &'static str,
}

impl Foreign {
    /// Whether it may be a packed version.
    pub fn is_archive(&self) -> bool {
        *self == ARCHIVE
    }

    /// One sentence on what it is, what to do, and where that is described.
    pub fn explained(&self) -> String {
        let Self { what, advice } = self;
        format!("this is {what}: {advice} ({PAGE})")
    }
}

const PYTORCH: Foreign = Foreign {
    what: "a PyTorch file (.pt, .pth)",
    advice: "it holds weights or Python objects, so load it in Python and export the network with torch.onnx.export",
};
const KERAS: Foreign = Foreign {
    what: "a Keras file (.keras, .h5)",
    advice: "load it in Python and write model.export(\"model.onnx\", format=\"onnx\")",
};
const TFLITE: Foreign = Foreign {
    what: "a TensorFlow Lite file (.tflite)",
    advice: "export the network that it was converted from, or convert it with python -m tf2onnx.convert --tflite",
};
const SAVED_MODEL: Foreign = Foreign {
    what: "a TensorFlow SavedModel (.pb)",
    advice: "convert its folder with python -m tf2onnx.convert --saved-model",
};
const SAFETENSORS: Foreign = Foreign {
    what: "a safetensors file",
    advice: "it holds weights without the network, so load them into the network's code in Python and export that with torch.onnx.export",
};
const HTML: Foreign = Foreign {
    what: "a web page (HTML)",
    advice: "the download gave a page instead of the file, so follow the link to the file itself, often called raw or download",
};
const XML: Foreign = Foreign {
    what: "an XML file",
    advice: "if it is an OpenVINO network, export the one that it was converted from",
};
const LFS: Foreign = Foreign {
    what: "a Git LFS pointer, not the network itself",
    advice: "run `git lfs pull`",
};
const NUMPY: Foreign = Foreign {
    what: "a NumPy file (.npy, .npz)",
    advice: "outputs belong to --reference, and the network is a file of its own",
};
const PICKLE: Foreign = Foreign {
    what: "a pickled Python object, as old versions of PyTorch and scikit-learn save",
    advice: "load it in Python and export the network with torch.onnx.export",
};
const ORT: Foreign = Foreign {
    what: "a network in ONNX Runtime's own format (.ort)",
    advice: "give the .onnx file that it was made from",
};
const GGUF: Foreign = Foreign {
    what: "a GGUF file",
    advice: "it holds a language model, not an image classifier",
};
const TENSORRT: Foreign = Foreign {
    what: "a TensorRT engine",
    advice: "it is compiled for one device, so give the .onnx file that it was made from",
};
const COMPRESSED: Foreign = Foreign {
    what: "a compressed file (gzip, xz, zstd or bzip2)",
    advice: "unpack it first",
};
const ARCHIVE: Foreign = Foreign {
    what: "an archive (zip or tar)",
    advice: "unpack it and give the .onnx file in it; a packed version goes to `stillhouse upload`",
};
const PICTURE: Foreign = Foreign {
    what: "a picture",
    advice: "the network is a file of its own, and pictures belong to --golden or --reference-pictures",
};
const JSON: Foreign = Foreign {
    what: "a JSON file",
    advice: "the network is a file of its own; if it is a TensorFlow.js network, export the one that it was converted from",
};
const EMPTY: Foreign = Foreign {
    what: "an empty file",
    advice: "copy or download it again",
};

/// First bytes, and what they stand for.
const BEGINNINGS: &[(&[u8], Foreign)] = &[
    (b"\x89HDF\r\n\x1a\n", KERAS),
    (b"\x93NUMPY", NUMPY),
    (b"version https://git-lfs", LFS),
    (b"GGUF", GGUF),
    (b"ftrt", TENSORRT),
    (b"\x1f\x8b", COMPRESSED),
    (b"\xfd7zXZ\0", COMPRESSED),
    (b"\x28\xb5\x2f\xfd", COMPRESSED),
    (b"BZh", COMPRESSED),
    (b"\x89PNG\r\n\x1a\n", PICTURE),
    (b"\xff\xd8\xff", PICTURE),
    (b"GIF8", PICTURE),
    (b"RIFF", PICTURE),
];

/// What a file is by its first bytes, at least [`HEAD_BYTES`] of them if it has as many; none if it may be a network.
pub fn recognise(head: &[u8]) -> Option<Foreign> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    if head.is_empty() {
        return Some(EMPTY);
    }
    let begins = |(magic, _): &&(&[u8], Foreign)| head.starts_with(magic);
    if let Some((_, foreign)) = BEGINNINGS.iter().find(begins) {
        return Some(*foreign);
    }
    match head {
        [_, _, _, _, b'T', b'F', b'L', b'3', ..] => Some(TFLITE),
        [_, _, _, _, b'O', b'R', b'T', b'M', ..] => Some(ORT),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Some(zipped(head)),
        // The opcode PROTO with its version, then one that begins an object.
        [
            0x80,
            2..=5,
            b'}' | b']' | b'(' | b'c' | b'\x8a' | b'\x95' | b'X',
            ..,
        ] => Some(PICKLE),
        _ if head.get(257..262) == Some(b"ustar") => Some(ARCHIVE),
        _ if is_safetensors(head) => Some(SAFETENSORS),
        _ if is_saved_model(head) => Some(SAVED_MODEL),
        _ => text(head),
    }
}

/// What a zip archive holds, by the names and contents at its beginning: PyTorch and Keras don't compress theirs.
fn zipped(head: &[u8]) -> Foreign {
    let holds = |part: &str| memmem::find(head, part.as_bytes()).is_some();
    if holds("data.pkl") || holds("/constants.pkl") || holds("/.format_version") {
        return PYTORCH;
    }
    if holds("keras_version") || holds("model.weights.h5") {
        return KERAS;
    }
    match holds(".npy") {
        true => NUMPY,
        false => ARCHIVE,
    }
}

/// The length of a JSON header in eight bytes, and then that header.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, header)) = head.split_first_chunk::<8>() else {
        return false;
    };
    // The format allows no longer one.
    (2..100_000_000).contains(&u64::from_le_bytes(*length)) && header.starts_with(b"{\"")
}

/// Schema version 1, then a graph with TensorFlow's tags; an ONNX network begins with its IR version, then its producer.
fn is_saved_model(head: &[u8]) -> bool {
    head.starts_with(&[0x08, 0x01, 0x12])
        && [&b"serve"[..], b"tensorflow", b"Placeholder", b"VarHandleOp"]
            .iter()
            .any(|word| memmem::find(head, word).is_some())
}

/// Web pages and their relatives, after white space and a byte order mark.
fn text(head: &[u8]) -> Option<Foreign> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let begins = |with: &str| {
        let start = text.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    let is_page = || memmem::find(&text.to_ascii_lowercase(), b"<html").is_some();
    if begins("<!doctype html") || begins("<html") || begins("<head") {
        return Some(HTML);
    }
    if begins("<?xml") || begins("<!--") || begins("<net") {
        return Some(if is_page() { HTML } else { XML });
    }
    (begins("{") && std::str::from_utf8(text.get(..64.min(text.len()))?).is_ok()).then_some(JSON)
}

/// Whether a file may itself be an ONNX network: its IR version, and then a field that a model has.
pub fn may_be_onnx(head: &[u8]) -> bool {
    matches!(
        head,
        [
            0x08,
            1..=20,
            0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42,
            ..
        ]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A zip archive's first entry, not compressed.
    fn zip(name: &str, content: &[u8]) -> Vec<u8> {
        let length = |length: usize| u16::try_from(length).unwrap().to_le_bytes();
        let mut head = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        head.extend(length(name.len()));
        head.extend(length(0));
        head.extend(name.as_bytes());
        head.extend(content);
        head
    }

    #[test]
    fn b4_what_is_no_onnx_network_is_recognised() {
        let safetensors = [
            &60_u64.to_le_bytes()[..],
            b"{\"weight\":{\"dtype\":\"F32\"}}",
        ]
        .concat();
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: Vec<(Vec<u8>, Foreign)> = vec![
            (zip("archive/data.pkl", b"\x80\x02ctorch"), PYTORCH),
            (zip("model/data/0", b"model/data.pkl"), PYTORCH),
            (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".into(), PICKLE),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0".into(), PICKLE),
            (b"\x89HDF\r\n\x1a\n\0\0\0".into(), KERAS),
            (zip("metadata.json", b"{\"keras_version\": \"3.1\"}"), KERAS),
            (b"\x1c\0\0\0TFL3\x14\0".into(), TFLITE),
            (b"\x18\0\0\0ORTM\0\0".into(), ORT),
            (safetensors, SAFETENSORS),
            (b"\x08\x01\x12\xff\x01serve\x12".into(), SAVED_MODEL),
            (b"\n<!DOCTYPE html><html>".into(), HTML),
            (b"\xef\xbb\xbf<HTML lang=en>".into(), HTML),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>".into(), HTML),
            (b"<?xml version=\"1.0\"?><net name=\"x\">".into(), XML),
            (b"{\"error\": \"not found\"}".into(), JSON),
            (b"version https://git-lfs.github.com/spec/v1\n".into(), LFS),
            (b"\x93NUMPY\x01\0".into(), NUMPY),
            (zip("arr_0.npy", b""), NUMPY),
            (zip("manifest.toml", b""), ARCHIVE),
            (tar, ARCHIVE),
            (b"\x1f\x8b\x08".into(), COMPRESSED),
            (b"\x89PNG\r\n\x1a\n".into(), PICTURE),
            (vec![], EMPTY),
        ];
        for (head, expected) in cases {
            assert_eq!(recognise(&head), Some(expected), "{head:?}");
            assert!(!may_be_onnx(&head) || expected == SAVED_MODEL, "{head:?}");
        }
    }

    #[test]
    fn b4_networks_are_not_taken_for_something_else() {
        use crate::onnx::build::{model, node, port};
        let graph = crate::onnx::GraphProto {
            node: vec![node("Flatten", &["serve"], &["y"])],
            input: vec![port("serve", crate::ElementType::F32, "N,4")],
            ..Default::default()
        };
        for ir_version in 3..=12 {
            let mut model = model(17, graph.clone());
            model.ir_version = ir_version;
            let bytes = model.to_bytes();
            assert_eq!(recognise(&bytes), None, "{ir_version}");
            assert!(may_be_onnx(&bytes), "{ir_version}");
        }
        assert_eq!(recognise(b"arbitrary bytes"), None);
    }
}
