//! Which parts of a form are pictures, and which are something else that forms have.

use bytes::Bytes;

use super::{
    Content, Inputs,
    multipart::{Part, Parts, boundary},
};
use crate::{error::ApiError, request_error::RequestError};
use stillhouse_image::ImageError;
use stillhouse_serving::{PredictError, PredictInput};

/// The one field that is read as an option, like the query's parameter.
const TOP_K: &str = "top_k";

/// An option is a number.
const MAX_OPTION_BYTES: usize = 32;

/// Reads the pictures of a form, in their order. Text fields, buttons and file inputs without a file don't count.
///
/// # Errors
/// It is no multipart body, holds no picture, or holds too many.
pub(super) fn read(content_type: &str, body: &Bytes, limit: usize) -> Result<Content, ApiError> {
    let wrong = |reason: &str| RequestError::Multipart(reason.into());
    let boundary = boundary(content_type).map_err(wrong)?;
    let (mut pictures, mut top_k) = (Vec::new(), None);
    for part in Parts::new(body, &boundary) {
        let part = part.map_err(wrong)?;
        if is_picture(&part) {
            if pictures.len() == limit {
                return Err(PredictError::TooManyInputs { limit }.into());
            }
            pictures.push(PredictInput::Picture(part.content));
        } else if part.name == TOP_K && !part.content.trim_ascii().is_empty() {
            top_k = Some(number(&part.content)?);
        }
    }
    let inputs = match pictures.len() {
        0 => return Err(PredictError::NoInput.into()),
        1 => Inputs::One(pictures.remove(0)),
        _ => Inputs::Many(pictures.into_iter().map(Ok).collect()),
    };
    Ok(Content { inputs, top_k })
}

/// What has a file's name is a file, and so is what isn't a form's field at all. A field without a file's name is text,
/// unless its type or its first bytes say otherwise: some programs send pictures so.
fn is_picture(part: &Part) -> bool {
    match part.file_name.as_deref() {
        // A file input in which nothing was chosen.
        Some("") => !part.content.is_empty(),
        Some(_) => true,
        None if !part.is_field => true,
        None => {
            let kind = part.content_type.as_deref().unwrap_or_default();
            kind.starts_with("image/")
                || kind == "application/octet-stream" && !part.content.is_empty()
                || !matches!(
                    stillhouse_image::probe(&part.content),
                    Err(ImageError::Empty | ImageError::Unsupported { .. })
                )
        }
    }
}

fn number(content: &[u8]) -> Result<usize, RequestError> {
    let text = content.get(..MAX_OPTION_BYTES).unwrap_or(content);
    let text = std::str::from_utf8(text.trim_ascii()).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or(RequestError::FormOption { name: TOP_K })
}
