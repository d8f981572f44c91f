//! The one EXIF field that changes a picture: its orientation.

/// How a stored picture is turned to stand upright: EXIF tag 0x0112, values 1 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Orientation {
    /// 1: as stored.
    #[default]
    Upright,
    /// 2: mirrored left to right.
    MirrorX,
    /// 3: turned by 180 degrees.
    Rotate180,
    /// 4: mirrored top to bottom.
    MirrorY,
    /// 5: rows become columns.
    Transpose,
    /// 6: to be turned 90 degrees clockwise.
    Rotate90,
    /// 7: mirrored along the other diagonal.
    Transverse,
    /// 8: to be turned 90 degrees counter-clockwise.
    Rotate270,
}

impl Orientation {
    /// Whether width and height change places.
    pub(super) fn swaps_sides(self) -> bool {
        matches!(
            self,
            Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270
        )
    }

    /// Whether the stored picture is mirrored left to right, and top to bottom, before its sides change places.
    pub(super) fn mirrors_stored(self) -> (bool, bool) {
        let x = matches!(
            self,
            Self::MirrorX | Self::Rotate180 | Self::Transverse | Self::Rotate270
        );
        let y = matches!(
            self,
            Self::MirrorY | Self::Rotate180 | Self::Transverse | Self::Rotate90
        );
        (x, y)
    }

    /// From an EXIF block, with or without its `Exif\0\0` prefix. What can't be read means upright: a damaged
    /// annotation is no damage to the picture.
    pub(super) fn from_exif(block: &[u8]) -> Self {
        let tiff = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
        match Tiff::new(tiff).and_then(|tiff| tiff.orientation()) {
            Some(2) => Self::MirrorX,
            Some(3) => Self::Rotate180,
            Some(4) => Self::MirrorY,
            Some(5) => Self::Transpose,
            Some(6) => Self::Rotate90,
            Some(7) => Self::Transverse,
            Some(8) => Self::Rotate270,
            _ => Self::Upright,
        }
    }
}

/// A TIFF structure in memory, read as far as its first directory.
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            b"MM\0*" => true,
            b"II*\0" => false,
            _ => return None,
        };
        Some(Self { bytes, big_endian })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let raw = self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(*raw)
        } else {
            u16::from_le_bytes(*raw)
        })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let raw = self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(*raw)
        } else {
            u32::from_le_bytes(*raw)
        })
    }

    fn orientation(&self) -> Option<u16> {
        const TAG: u16 = 0x0112;
        const SHORT: u16 = 3;
        let directory = self.u32(4)? as usize;
        let entries = usize::from(self.u16(directory)?);
        for entry in 0..entries {
            let at = directory.checked_add(2 + 12 * entry)?;
            if self.u16(at)? == TAG {
                return (self.u16(at + 2)? == SHORT)
                    .then(|| self.u16(at + 8))
                    .flatten();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of one entry before the orientation, as cameras write.
    fn exif(big_endian: bool, value: u16) -> Vec<u8> {
        let u16 = |v: u16| {
            if big_endian {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let u32 = |v: u32| {
            if big_endian {
                v.to_be_bytes()
            } else {
                v.to_le_bytes()
            }
        };
        let mut out = b"Exif\0\0".to_vec();
        out.extend(if big_endian { *b"MM\0*" } else { *b"II*\0" });
        out.extend(u32(8));
        out.extend(u16(2));
        for (tag, value) in [(0x0100, 7), (0x0112, value)] {
            out.extend(u16(tag));
            out.extend(u16(3));
            out.extend(u32(1));
            out.extend(u16(value));
            out.extend(u16(0));
        }
        out.extend(u32(0));
        out
    }

    #[test]
    fn both_byte_orders_and_every_value() {
        let expected = [
            Orientation::Upright,
            Orientation::Upright,
            Orientation::MirrorX,
            Orientation::Rotate180,
            Orientation::MirrorY,
            Orientation::Transpose,
            Orientation::Rotate90,
            Orientation::Transverse,
            Orientation::Rotate270,
            Orientation::Upright,
        ];
        for (value, expected) in expected.into_iter().enumerate() {
            for big_endian in [false, true] {
                let block = exif(big_endian, value as u16);
                assert_eq!(Orientation::from_exif(&block), expected, "value {value}");
                assert_eq!(Orientation::from_exif(&block[6..]), expected);
            }
        }
    }

    #[test]
    fn a_cut_or_lying_block_means_upright() {
        let block = exif(true, 6);
        // The value of the last entry ends 6 bytes before the end: padding and the next directory's offset follow.
        for cut in 0..block.len() - 6 {
            assert_eq!(
                Orientation::from_exif(&block[..cut]),
                Orientation::Upright,
                "cut at {cut}"
            );
        }
        let mut far = exif(false, 6);
        far[10..14].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Orientation::from_exif(&far), Orientation::Upright);
    }
}
