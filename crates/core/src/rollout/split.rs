//! Which role answers a key: pure, sticky, and the same on every replica and in every language.
//!
//! `u` is SipHash-1-3 of a message under a fixed key, read as a fraction of 2⁶⁴:
//!
//! ```text
//! key      the 16 ASCII bytes "stillhouse-split"   (k0, k1: little-endian halves)
//! message  model's name ‖ 0x00 ‖ rollout, u64 little-endian ‖ routing key
//! canary   u < ⌊canary share · 2⁶⁴ / 10 000⌋
//! teacher  u ≥ 2⁶⁴ − ⌊teacher share · 2⁶⁴ / 10 000⌋
//! stable   everything between
//! ```
//!
//! A name contains no zero byte, so no two triples give the same message. The rollout's number changes with each new
//! canary, but not with its share: no caller leaves the canary while its share grows, and two rollouts draw
//! independently of each other. `scripts/split_vectors.py` is the same function in Python; the test below uses its
//! output.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{Role, assignment::Split};

const KEY: &[u8; 16] = b"stillhouse-split";

/// The position of a key: `u`, uniform over all of `u64`.
pub fn draw(model: &str, rollout: u64, key: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(KEY);
    hasher.write(model.as_bytes());
    hasher.write(&[0]);
    hasher.write(&rollout.to_le_bytes());
    hasher.write(key);
    hasher.finish()
}

/// The role whose interval contains `u`.
pub fn role(split: Split, u: u64) -> Role {
    // 128 bits: a share of 10 000 is 2⁶⁴ itself.
    let u = u128::from(u);
    if u < split.canary.width() {
        Role::Canary
    } else if u >= (1 << 64) - split.teacher.width() {
        Role::Teacher
    } else {
        Role::Stable
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rollout::share::Share;

    fn split(canary: u16, teacher: u16) -> Split {
        let share = |points| Share::new(points).expect("at most 10 000");
        Split {
            canary: share(canary),
            teacher: share(teacher),
        }
    }

    #[test]
    fn the_vectors_of_an_independent_implementation_come_out() {
        #[derive(serde::Deserialize)]
        struct Vector {
            model: String,
            rollout: u64,
            key_hex: String,
            u_hex: String,
        }
        let text = include_str!("../../../../tests/vectors/split.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).expect("the vectors");
        assert!(vectors.len() >= 32);
        for vector in vectors {
            let digits = vector.key_hex.as_bytes().chunks(2);
            let key: Vec<u8> = digits
                .map(|pair| std::str::from_utf8(pair).expect("ASCII"))
                .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
                .collect();
            let drawn = draw(&vector.model, vector.rollout, &key);
            assert_eq!(format!("{drawn:016x}"), vector.u_hex, "{}", vector.key_hex);
        }
    }

    #[test]
    fn nobody_leaves_the_canary_while_it_grows() {
        let steps = [0, 100, 500, 1000, 2500, 5000, 10_000];
        let mut reached = [0usize; 7];
        for user in 0..100_000u32 {
            let u = draw("fashion", 3, format!("user-{user}").as_bytes());
            let roles = steps.map(|points| role(split(points, 0), u));
            let first = roles.iter().position(|role| *role == Role::Canary);
            let first = first.expect("everybody at 100 %");
            assert!(roles[first..].iter().all(|role| *role == Role::Canary));
            (first..7).for_each(|step| reached[step] += 1);
        }
        for (step, points) in steps.iter().enumerate() {
            let expected = f64::from(*points) / 10_000.0;
            let deviation = (expected * (1.0 - expected) / 1e5).sqrt();
            let share = reached[step] as f64 / 1e5;
            assert!(
                (share - expected).abs() <= 5.0 * deviation,
                "{share} at {points}"
            );
        }
    }

    #[test]
    fn two_rollouts_of_ten_percent_overlap_by_one() {
        let canary = |rollout| {
            move |user: &u32| {
                role(
                    split(1000, 0),
                    draw("fashion", rollout, &user.to_le_bytes()),
                ) == Role::Canary
            }
        };
        let both = (0..100_000).filter(canary(1)).filter(canary(2)).count();
        assert!((900..1100).contains(&both), "{both} of 100 000");
    }

    proptest! {
        #[test]
        fn the_ends_belong_to_canary_and_teacher(canary in 0u16..=10_000, of_rest in 0u16..=10_000, u: u64) {
            let teacher = of_rest.min(10_000 - canary);
            let split = split(canary, teacher);
            let first = if canary > 0 { Role::Canary } else if teacher == 10_000 { Role::Teacher } else { Role::Stable };
            prop_assert_eq!(role(split, 0), first);
            let last = if teacher > 0 { Role::Teacher } else if canary == 10_000 { Role::Canary } else { Role::Stable };
            prop_assert_eq!(role(split, u64::MAX), last);
            // One more point for the canary moves no caller from the canary to another role.
            if canary + teacher < 10_000 && role(split, u) == Role::Canary {
                let more = Split { canary: Share::new(canary + 1).expect("a share"), ..split };
                prop_assert_eq!(role(more, u), Role::Canary);
            }
        }
    }
}
