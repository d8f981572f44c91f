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

    /// The first entry's first value, whatever type of number a program chose for it.
    fn orientation(&self) -> Option<u32> {
        const TAG: u16 = 0x0112;
        let directory = self.u32(4)? as usize;
        let entries = usize::from(self.u16(directory)?);
        let entry = (0..entries)
            .map(|entry| directory.saturating_add(2 + 12 * entry))
            .find(|at| self.u16(*at) == Some(TAG))?;
        (self.u32(entry + 4)? > 0).then_some(())?;
        self.number(self.u16(entry + 2)?, entry + 8)
    }

    /// The whole number of a TIFF type whose entry has its value at `at`; none for text and raw bytes.
    fn number(&self, kind: u16, at: usize) -> Option<u32> {
        const BYTE: u16 = 1;
        const SHORT: u16 = 3;
        const LONG: u16 = 4;
        const RATIONAL: u16 = 5;
        const SBYTE: u16 = 6;
        const SSHORT: u16 = 8;
        const SLONG: u16 = 9;
        const SRATIONAL: u16 = 10;
        const FLOAT: u16 = 11;
        const IFD: u16 = 13;
        match kind {
            BYTE | SBYTE => self.bytes.get(at).copied().map(u32::from),
            SHORT | SSHORT => self.u16(at).map(u32::from),
            LONG | SLONG | IFD => self.u32(at),
            RATIONAL | SRATIONAL => {
                let at = self.u32(at)? as usize;
                let (above, below) = (self.u32(at)?, self.u32(at.checked_add(4)?)?);
                above
                    .is_multiple_of(below)
                    .then(|| above.checked_div(below))?
            }
            FLOAT => {
                let value = f32::from_bits(self.u32(at)?);
                (value.fract() == 0.0).then_some(value as u32)
            }
            _ => None,
        }
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

    /// A block of orientations alone, each of a type, a count and four bytes of value; then a rational number.
    fn typed(big_endian: bool, entries: &[(u16, u32, [u8; 4])]) -> Vec<u8> {
        let order = |mut bytes: Vec<u8>| {
            if !big_endian {
                bytes.reverse();
            }
            bytes
        };
        let mut out = if big_endian { *b"MM\0*" } else { *b"II*\0" }.to_vec();
        out.extend(order(8_u32.to_be_bytes().to_vec()));
        out.extend(order((entries.len() as u16).to_be_bytes().to_vec()));
        for (kind, count, value) in entries {
            out.extend(order(0x0112_u16.to_be_bytes().to_vec()));
            out.extend(order(kind.to_be_bytes().to_vec()));
            out.extend(order(count.to_be_bytes().to_vec()));
            out.extend(value);
        }
        out.extend([0; 4]);
        for number in [18_u32, 3] {
            out.extend(order(number.to_be_bytes().to_vec()));
        }
        out
    }

    #[test]
    fn a6_every_type_of_number_in_both_byte_orders() {
        const BIG: bool = true;
        let six = Orientation::Rotate90;
        let check = |big_endian, entries: &[_], expected| {
            let block = typed(big_endian, entries);
            assert_eq!(Orientation::from_exif(&block), expected, "{entries:?}");
        };
        for kind in [1, 6] {
            check(BIG, &[(kind, 1, [6, 0, 0, 0])], six);
            check(!BIG, &[(kind, 1, [6, 0, 0, 0])], six);
        }
        for kind in [3, 8] {
            check(BIG, &[(kind, 1, [0, 6, 0, 0])], six);
            check(!BIG, &[(kind, 1, [6, 0, 0, 0])], six);
        }
        for kind in [4, 9, 13] {
            check(BIG, &[(kind, 1, [0, 0, 0, 6])], six);
            check(!BIG, &[(kind, 1, [6, 0, 0, 0])], six);
            check(!BIG, &[(kind, 1, [6, 0, 1, 0])], Orientation::Upright);
        }
        for kind in [5, 10] {
            check(BIG, &[(kind, 1, [0, 0, 0, 26])], six);
            check(!BIG, &[(kind, 1, [26, 0, 0, 0])], six);
            check(!BIG, &[(kind, 1, [30, 0, 0, 0])], Orientation::Upright);
        }
        check(BIG, &[(11, 1, 6_f32.to_be_bytes())], six);
        check(!BIG, &[(11, 1, 6_f32.to_le_bytes())], six);
        check(
            !BIG,
            &[(11, 1, 6.5_f32.to_le_bytes())],
            Orientation::Upright,
        );
        for (kind, value) in [(2, *b"6\0\0\0"), (7, [6, 0, 0, 0]), (99, [6, 0, 0, 0])] {
            check(!BIG, &[(kind, 1, value)], Orientation::Upright);
        }
    }

    /// The first value of several, the first entry of several; no value means upright.
    #[test]
    fn a6_every_multiplicity() {
        let check = |entries: &[_], expected| {
            assert_eq!(Orientation::from_exif(&typed(false, entries)), expected);
        };
        check(&[(3, 2, [6, 0, 1, 0])], Orientation::Rotate90);
        check(&[(3, 2, [1, 0, 6, 0])], Orientation::Upright);
        check(&[(3, 0, [6, 0, 0, 0])], Orientation::Upright);
        let (one, six) = ((3, 1, [1, 0, 0, 0]), (3, 1, [6, 0, 0, 0]));
        check(&[six, one], Orientation::Rotate90);
        check(&[one, six], Orientation::Upright);
        check(&[], Orientation::Upright);
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
