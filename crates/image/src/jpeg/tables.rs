//! The tables in force while a JPEG is read: quantisation, Huffman codes.

use super::{
    huffman::{Code, STANDARD_AC, STANDARD_DC},
    segments::{Segments, corrupt},
};
use crate::ImageError;

/// Steps of quantisation in the file's order, zigzag.
pub(super) type Steps = [u16; 64];

/// What DQT and DHT have stated so far, each by its number.
#[derive(Default)]
pub(super) struct Tables<'a> {
    quantization: [Option<Steps>; 4],
    dc: [Option<Code<'a>>; 4],
    ac: [Option<Code<'a>>; 4],
}

impl<'a> Tables<'a> {
    /// Reads the tables of one DQT; each is counted, see [`Segments::count`].
    pub(super) fn define_quantization(
        &mut self,
        segments: &mut Segments<'_>,
        mut content: &[u8],
    ) -> Result<(), ImageError> {
        const SHORT: &str = "a quantisation table is too short";
        while let Some((&head, rest)) = content.split_first() {
            segments.count()?;
            let mut steps = [0; 64];
            content = match head >> 4 {
                0 => {
                    let (raw, rest) = rest
                        .split_first_chunk::<64>()
                        .ok_or_else(|| corrupt(SHORT))?;
                    steps = raw.map(u16::from);
                    rest
                }
                _ => {
                    let (raw, rest) = rest
                        .split_first_chunk::<128>()
                        .ok_or_else(|| corrupt(SHORT))?;
                    for (step, raw) in steps.iter_mut().zip(raw.as_chunks().0) {
                        *step = u16::from_be_bytes(*raw);
                    }
                    rest
                }
            };
            if steps.contains(&0) {
                return Err(corrupt("a quantisation table has a step of 0"));
            }
            *self
                .quantization
                .get_mut(usize::from(head & 15))
                .ok_or_else(|| corrupt("a quantisation table has an impossible number"))? =
                Some(steps);
        }
        Ok(())
    }

    /// Reads the tables of one DHT; each is counted, see [`Segments::count`].
    pub(super) fn define_huffman(
        &mut self,
        segments: &mut Segments<'_>,
        mut content: &'a [u8],
    ) -> Result<(), ImageError> {
        while let Some((&head, rest)) = content.split_first() {
            segments.count()?;
            let (counts, rest) = rest
                .split_first_chunk::<16>()
                .ok_or_else(|| corrupt("a Huffman table is too short"))?;
            let length = counts.iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest
                .split_at_checked(length)
                .filter(|_| length <= 256)
                .ok_or_else(|| corrupt("a Huffman table is too short"))?;
            let class = match head >> 4 {
                0 => &mut self.dc,
                _ => &mut self.ac,
            };
            *class
                .get_mut(usize::from(head & 15))
                .filter(|_| head < 0x20)
                .ok_or_else(|| corrupt("a Huffman table has an impossible number"))? =
                Some(Code { counts, symbols });
            content = rest;
        }
        Ok(())
    }

    pub(super) fn quantization(&self, number: u8) -> Result<Steps, ImageError> {
        self.quantization
            .get(usize::from(number))
            .copied()
            .flatten()
            .ok_or_else(|| corrupt("it lacks a quantisation table"))
    }

    /// The table for DC coefficients; where sequential coding states none, the standard's.
    pub(super) fn dc(&self, number: u8, progressive: bool) -> Result<Code<'a>, ImageError> {
        let code = find(&self.dc, &STANDARD_DC, number, progressive)?;
        if code.symbols.iter().any(|size| *size > 15) {
            return Err(corrupt("its Huffman tables make no sense"));
        }
        Ok(code)
    }

    /// The table for AC coefficients; where sequential coding states none, the standard's.
    pub(super) fn ac(&self, number: u8, progressive: bool) -> Result<Code<'a>, ImageError> {
        find(&self.ac, &STANDARD_AC, number, progressive)
    }
}

fn find<'a>(
    stated: &[Option<Code<'a>>; 4],
    standard: &[Code<'static>; 2],
    number: u8,
    progressive: bool,
) -> Result<Code<'a>, ImageError> {
    let number = usize::from(number);
    let stated = stated.get(number).copied().flatten();
    stated
        .or_else(|| standard.get(number).filter(|_| !progressive).copied())
        .ok_or_else(|| corrupt("it lacks a Huffman table"))
}
