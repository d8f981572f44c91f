//! The inverse cosine transform of a block: that of Loeffler, Ligtenberg and Moschytz (ICASSP 1989), in the fixed point of
//! libjpeg's accurate integer transform.

use super::super::tables::Steps;

/// Row by row where each coefficient of the zigzag order lies.
#[rustfmt::skip]
const ZIGZAG: [usize; 64] = [
     0,  1,  8, 16,  9,  2,  3, 10, 17, 24, 32, 25, 18, 11,  4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,  6,  7, 14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Fractional bits of the constants, and of what the first pass leaves.
const CONSTANT_BITS: u32 = 13;
const PASS_BITS: u32 = 2;
/// The two passes together make values eight times too great.
const SCALE_BITS: u32 = 3;

/// Eight values that are transformed side by side.
type Lanes = [i32; 8];

/// Samples of a block, row by row.
pub(super) fn inverse(block: &[i16; 64], steps: &Steps) -> [[u8; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    for (at, (value, step)) in ZIGZAG.iter().zip(block.iter().zip(steps)) {
        rows[at / 8][at % 8] = i32::from(*value) * i32::from(*step);
    }
    let columns = pass(rows, CONSTANT_BITS - PASS_BITS);
    let samples = pass(transposed(columns), CONSTANT_BITS + PASS_BITS + SCALE_BITS);
    transposed(samples).map(|row| row.map(|sample| sample.saturating_add(128).clamp(0, 255) as u8))
}

fn transposed(rows: [Lanes; 8]) -> [Lanes; 8] {
    std::array::from_fn(|y| std::array::from_fn(|x| rows[x][y]))
}

fn add(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
}

fn subtract(a: Lanes, b: Lanes) -> Lanes {
    std::array::from_fn(|lane| a[lane].wrapping_sub(b[lane]))
}

fn times(a: Lanes, factor: i32) -> Lanes {
    a.map(|value| value.wrapping_mul(factor))
}

/// One dimension, from frequencies to places; rounds `shift` bits away. The constants are sums of cosines times 2^13.
fn pass(frequencies: [Lanes; 8], shift: u32) -> [Lanes; 8] {
    let [f0, f1, f2, f3, f4, f5, f6, f7] = frequencies;

    let turned = times(add(f2, f6), 4_433);
    let even_2 = subtract(turned, times(f6, 15_137));
    let even_3 = add(turned, times(f2, 6_270));
    let even_0 = times(add(f0, f4), 1 << CONSTANT_BITS);
    let even_1 = times(subtract(f0, f4), 1 << CONSTANT_BITS);
    let even = [
        add(even_0, even_3),
        add(even_1, even_2),
        subtract(even_1, even_2),
        subtract(even_0, even_3),
    ];

    let shared = times(add(add(f7, f3), add(f5, f1)), 9_633);
    let outer = times(add(f7, f1), -7_373);
    let inner = times(add(f5, f3), -20_995);
    let low = add(times(add(f7, f3), -16_069), shared);
    let high = add(times(add(f5, f1), -3_196), shared);
    let odd = [
        add(times(f1, 12_299), add(outer, high)),
        add(times(f3, 25_172), add(inner, low)),
        add(times(f5, 16_819), add(inner, high)),
        add(times(f7, 2_446), add(outer, low)),
    ];

    let half = 1 << (shift - 1);
    let rounded = |values: Lanes| values.map(|value| value.wrapping_add(half) >> shift);
    std::array::from_fn(|place| match place {
        0..4 => rounded(add(even[place], odd[place])),
        _ => rounded(subtract(even[7 - place], odd[7 - place])),
    })
}
