//! Base64 as programs write it: either alphabet, with or without padding, in lines, as a data URL.

use base64::{
    DecodeError, Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;

use crate::request_error::{Base64Fault, RequestError};
use stillhouse_serving::{Charge, Growing, PredictError};

/// The standard alphabet; padding is optional, and so is what unused bits of the last symbol are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes one picture; `index` is its position, for errors. Charges what it allocates.
///
/// # Errors
/// It is not base64, or doesn't fit into the budget.
pub(super) fn decode(
    text: &str,
    index: usize,
    charge: &mut Charge,
) -> Result<Result<Bytes, RequestError>, PredictError> {
    let wrong = |fault| RequestError::Base64 { index, fault };
    let symbols = match data_url(text) {
        Ok(symbols) => symbols,
        Err(fault) => return Ok(Err(wrong(fault))),
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    if symbols.bytes().all(|byte| plain(&byte)) {
        let decoded = undo(symbols.as_bytes(), charge)?;
        return Ok(decoded.map_err(|error| wrong(fault(&error))));
    }
    let mut cleaned = Growing::new(charge.split(0), symbols.len());
    let space = cleaned.space(symbols.len())?;
    let mut kept = 0;
    for (at, byte) in symbols.bytes().enumerate() {
        space[kept] = match byte {
            b'-' => b'+',
            b'_' => b'/',
            b'\r' | b'\n' | b'\t' | b' ' => continue,
            byte if plain(&byte) => byte,
            _ => {
                let symbol = symbols[at..].chars().next().unwrap_or_default();
                let position = symbols.as_ptr() as usize - text.as_ptr() as usize + at;
                return Ok(Err(wrong(Base64Fault::Symbol { symbol, position })));
            }
        };
        kept += 1;
    }
    cleaned.filled(kept);
    let decoded = undo(&cleaned.finish(), charge)?;
    Ok(decoded.map_err(|error| wrong(fault(&error))))
}

/// What follows `data:image/png;base64,`; a text that is no data URL is left as it is.
fn data_url(text: &str) -> Result<&str, Base64Fault> {
    let text = text.trim_ascii();
    let is_url = text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if !is_url {
        return Ok(text);
    }
    let (kind, symbols) = text.split_once(',').ok_or(Base64Fault::DataUrl)?;
    let is_base64 = kind
        .rsplit(';')
        .next()
        .is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    is_base64.then_some(symbols).ok_or(Base64Fault::DataUrl)
}

fn undo(symbols: &[u8], charge: &mut Charge) -> Result<Result<Bytes, DecodeError>, PredictError> {
    let bytes = base64::decoded_len_estimate(symbols.len());
    let mut out = Growing::new(charge.split(0), bytes);
    let decoded = BASE64.decode_slice(symbols, out.space(bytes)?);
    Ok(match decoded {
        Ok(bytes) => {
            out.filled(bytes);
            Ok(out.finish())
        }
        Err(base64::DecodeSliceError::DecodeError(error)) => Err(error),
        Err(base64::DecodeSliceError::OutputSliceTooSmall) => Err(DecodeError::InvalidPadding),
    })
}

fn fault(error: &DecodeError) -> Base64Fault {
    match error {
        DecodeError::InvalidLength(_) => Base64Fault::Cut,
        _ => Base64Fault::Padding,
    }
}

#[cfg(test)]
mod tests {
    use stillhouse_serving::Budget;

    use super::*;

    fn decoded(text: &str) -> Result<Vec<u8>, String> {
        let budget = Budget::new(1 << 20, 1);
        let mut charge = budget.account().open(0).expect("nothing");
        let decoded = decode(text, 3, &mut charge).expect("it fits");
        decoded
            .map(|bytes| bytes.to_vec())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn c10_every_spelling_of_base64_is_read() {
        let bytes = vec![0xfb, 0xff, 0xbf, 1, 2];
        for text in [
            "+/+/AQI=",
            "+/+/AQI",
            "-_-_AQI=",
            "-_-_AQI",
            "+/+/\r\nAQI=\r\n",
            " +/+/\n\tAQI ",
            "data:image/png;base64,+/+/AQI=",
            "DATA:image/png;charset=x; BASE64,-_-_\nAQI",
            "data:;base64,+/+/AQI=",
        ] {
            assert_eq!(decoded(text), Ok(bytes.clone()), "{text:?}");
        }
        assert_eq!(decoded(""), Ok(vec![]));
    }

    #[test]
    fn what_is_not_base64_is_named_with_its_place() {
        for (text, reason) in [
            ("AQI!", "`!` at position 3"),
            ("data:image/png;base64,AQ\u{e9}", "at position 24"),
            ("AQIDA", "it was cut"),
            ("A=QI", "`=`"),
            ("data:image/png,AQI", "data URL"),
            ("data:image/png;base64", "data URL"),
        ] {
            let error = decoded(text).expect_err(text);
            assert!(error.starts_with("instance 3"), "{error}");
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
