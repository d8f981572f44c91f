//! What asking the teacher only where it matters costs and brings, on simulated students: seeded, by the code that serves.
//!
//! A picture has ten logits of the teacher: of nine in ten it is sure, of one it is torn. Stable's differ from them by noise; a canary's by its own,
//! of which half is stable's, for hard pictures are hard for both.

use super::{
    Paired, disagreement, divergence,
    streams::{Endings, Stream},
};
use crate::{
    comparison::{Comparison, Scores},
    contrast::Contrast,
    judge_figures::{Effort, Figure, Promise, check},
};

const CLASSES: usize = 10;
const CLIP_NATS: f64 = 2.0;
/// The part about which the teacher is asked whatever the students say, at 20 times as many samples as its budget has runs.
const UNIFORM_PART: f64 = 0.01;
const LONGEST: u64 = 40_000;
/// Trials of each canary in a test.
const RUNS: u64 = 20;

/// A canary: how far its logits are from the teacher's, and on which class it is blind.
#[derive(Clone, Copy)]
struct Canary {
    noise: f64,
    blind: Option<usize>,
}

/// Stable's noise, and that of a canary which is as good.
const STABLE_NOISE: f64 = 0.6;

const EQUAL: Canary = Canary {
    noise: STABLE_NOISE,
    blind: None,
};

/// The other four of the table.
const CANARIES: [(&str, Canary); 4] = [
    (
        "a little worse",
        Canary {
            noise: 1.0,
            blind: None,
        },
    ),
    (
        "a small student",
        Canary {
            noise: 1.6,
            blind: None,
        },
    ),
    (
        "a tiny student",
        Canary {
            noise: 2.5,
            blind: None,
        },
    ),
    (
        "blind for one class",
        Canary {
            noise: STABLE_NOISE,
            blind: Some(8),
        },
    ),
];

/// Three answers to one picture.
struct Picture {
    teacher: [f32; CLASSES],
    stable: [f32; CLASSES],
    canary: [f32; CLASSES],
}

impl Picture {
    fn of(stream: &mut Stream, canary: Canary) -> Self {
        let class = (stream.uniform() * CLASSES as f64) as usize;
        let lead = if stream.happens(0.1) { 2.0 } else { 14.0 };
        let mut picture = Self {
            teacher: [0.0; CLASSES],
            stable: [0.0; CLASSES],
            canary: [0.0; CLASSES],
        };
        for k in 0..CLASSES {
            let teacher = stream.normal() + if k == class { lead } else { 0.0 };
            let shared = stream.normal();
            let noise = 0.5_f64.sqrt() * (shared + stream.normal());
            let own = 0.5_f64.sqrt() * (shared + stream.normal());
            picture.teacher[k] = teacher as f32;
            picture.stable[k] = (teacher + STABLE_NOISE * noise) as f32;
            picture.canary[k] = (teacher + canary.noise * own) as f32;
        }
        if let Some(blind) = canary.blind {
            picture.canary[blind] = -5.0;
        }
        picture
    }
}

/// Both tests of a trial, and what they cost.
struct Trial {
    disagreement: Paired,
    divergence: Paired,
    teacher_runs: u64,
    contrast: Contrast,
    comparison: Comparison,
    is_priced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    RolledBack,
    Promoted,
}

impl Trial {
    fn new(is_priced: bool) -> Self {
        Self {
            disagreement: Paired::new(0.01, Some(1000)),
            divergence: Paired::new(0.02 / CLIP_NATS, Some(1000)),
            teacher_runs: 0,
            contrast: Contrast::default(),
            comparison: Comparison::default(),
            is_priced,
        }
    }

    /// The differences of one picture; those that the first edition made, or those of the priced teacher.
    fn differences(&mut self, picture: &Picture, stream: &mut Stream) -> [f64; 2] {
        let [teacher, stable, canary] = [&picture.teacher, &picture.stable, &picture.canary]
            .map(|logits| Scores::Logits(logits));
        self.contrast.set(stable, canary);
        let mut chance = 1.0;
        if self.is_priced {
            let worth = self.contrast.chance(CLIP_NATS);
            chance = UNIFORM_PART + (1.0 - UNIFORM_PART) * worth;
            if !stream.happens(chance) {
                return [0.0; 2];
            }
        }
        self.teacher_runs += 1;
        self.comparison.begin(teacher);
        let stable = self.comparison.student(teacher, stable, 1.0);
        let canary = self.comparison.student(teacher, canary, 1.0);
        let disagreement = disagreement(Some(stable.agrees), Some(canary.agrees));
        let divergence = match self.is_priced {
            true => self.contrast.difference(&self.comparison, CLIP_NATS) / chance,
            false => divergence(Some(stable.kl_nats), Some(canary.kl_nats), CLIP_NATS),
        };
        [disagreement, divergence]
    }

    /// As the judge decides: either metric rolls back, both promote.
    fn observe(&mut self, picture: &Picture, stream: &mut Stream) -> Option<Ending> {
        let [disagreement, divergence] = self.differences(picture, stream);
        self.disagreement.observe(disagreement);
        self.divergence.observe(divergence);
        let both = [&self.disagreement, &self.divergence];
        if both
            .iter()
            .any(|test| test.roll_back().log_e() >= 400_f64.ln())
        {
            return Some(Ending::RolledBack);
        }
        let promotes = both
            .iter()
            .all(|test| test.promotion().log_e() >= 20_f64.ln());
        promotes.then_some(Ending::Promoted)
    }
}

/// Of `runs` trials: the endings, and the teacher's runs until then.
fn trials(runs: u64, canary: Canary, is_priced: bool) -> (Vec<Option<Ending>>, Endings) {
    let mut endings = Vec::new();
    let mut costs = Vec::new();
    for seed in 0..runs {
        let (mut trial, mut stream) = (Trial::new(is_priced), Stream::new(seed));
        let ending = (0..LONGEST).find_map(|_| {
            let picture = Picture::of(&mut stream, canary);
            trial.observe(&picture, &mut stream)
        });
        costs.extend(ending.map(|_| trial.teacher_runs));
        endings.push(ending);
    }
    (endings, Endings::from(costs, runs))
}

fn count(endings: &[Option<Ending>], of: Ending) -> usize {
    endings.iter().filter(|ending| **ending == Some(of)).count()
}

/// Whatever is drawn, the mean difference stays what it is.
#[test]
fn a_priced_teacher_is_unbiased() {
    for (name, canary) in CANARIES {
        let mut stream = Stream::new(7);
        let (mut plain, mut priced) = (Trial::new(false), Trial::new(true));
        let (mut sum, mut squares, pictures) = ([0.0; 2], [0.0; 2], 20_000);
        for _ in 0..pictures {
            let picture = Picture::of(&mut stream, canary);
            let found = priced.differences(&picture, &mut stream);
            // The same difference, with the teacher asked each time.
            let [disagreement, _] = plain.differences(&picture, &mut stream);
            let divergence = plain.contrast.difference(&plain.comparison, CLIP_NATS);
            for (place, (found, expected)) in found
                .into_iter()
                .zip([disagreement, divergence])
                .enumerate()
            {
                assert!(found.abs() <= 1.0 + 1e-9, "{name}: {found}");
                sum[place] += found - expected;
                squares[place] += (found - expected).powi(2);
            }
        }
        assert_eq!(
            (sum[0], squares[0]),
            (0.0, 0.0),
            "{name}: disagreement is exact"
        );
        let error = squares[1].sqrt();
        assert!(sum[1].abs() <= 4.0 * error, "{name}: {} of {error}", sum[1]);
        println!("{name}: asked {} of {pictures} times", priced.teacher_runs);
        assert!(priced.teacher_runs < plain.teacher_runs);
    }
}

/// How many of the teacher's runs a priced trial takes for the same verdict, beside one that asks always; of the medians.
fn part_of_the_runs(effort: Effort, canary: Canary) -> f64 {
    let runs = effort.runs(RUNS, 200);
    let (plain, plain_runs) = trials(runs, canary, false);
    let (priced, priced_runs) = trials(runs, canary, true);
    let mostly_promoted =
        |endings: &[Option<Ending>]| count(endings, Ending::Promoted) as u64 * 2 > runs;
    assert_eq!(
        mostly_promoted(&plain),
        mostly_promoted(&priced),
        "another verdict"
    );
    priced_runs.quantile(0.5) as f64 / plain_runs.quantile(0.5) as f64
}

/// Percent of priced trials of a canary as good as stable that end so.
fn equals(effort: Effort, ending: Ending) -> f64 {
    let runs = effort.runs(2 * RUNS, 1000);
    let (endings, _) = trials(runs, EQUAL, true);
    count(&endings, ending) as f64 / runs as f64 * 100.0
}

#[test]
fn judge_figures_of_the_priced_teacher() {
    let runs = |what, measure| Figure {
        part: "teacher",
        what,
        promise: Promise::AtMost(0.5),
        unit: "of the runs",
        measure,
    };
    check(&[
        runs(
            "runs to the same verdict, priced beside asked always: a canary as good as stable",
            |effort| part_of_the_runs(effort, EQUAL),
        ),
        runs("the same, a little worse", |effort| {
            part_of_the_runs(effort, CANARIES[0].1)
        }),
        runs("the same, a small student", |effort| {
            part_of_the_runs(effort, CANARIES[1].1)
        }),
        runs("the same, a tiny student", |effort| {
            part_of_the_runs(effort, CANARIES[2].1)
        }),
        runs("the same, blind for one class", |effort| {
            part_of_the_runs(effort, CANARIES[3].1)
        }),
        Figure {
            part: "teacher",
            what: "priced: canaries as good as stable that are taken out",
            promise: Promise::AtMost(0.5),
            unit: "%",
            measure: |effort| equals(effort, Ending::RolledBack),
        },
        Figure {
            part: "teacher",
            what: "priced: canaries as good as stable that are promoted",
            promise: Promise::AtLeast(95.0),
            unit: "%",
            measure: |effort| equals(effort, Ending::Promoted),
        },
        Figure {
            part: "teacher",
            what: "published agreement, mean error over 200 streams",
            promise: Promise::AtMost(0.1),
            unit: "points",
            measure: |_| published_error(),
        },
    ]);
}

/// What is published rests on the uniform part alone, and says what asking always would have said.
fn published_error() -> f64 {
    let mut errors = Vec::new();
    for seed in 0..200 {
        let mut stream = Stream::new(seed);
        let (mut all, mut uniform) = ((0u32, 0u32), (0u32, 0u32));
        let top1 = |logits: &[f32; CLASSES]| Scores::Logits(logits).top1();
        for _ in 0..4000 {
            let picture = Picture::of(&mut stream, EQUAL);
            let agrees = u32::from(top1(&picture.teacher) == top1(&picture.stable));
            all = (all.0 + agrees, all.1 + 1);
            // The draw comes before anything is known of the picture.
            if stream.happens(0.2) {
                uniform = (uniform.0 + agrees, uniform.1 + 1);
            }
        }
        let share = |(hits, of): (u32, u32)| f64::from(hits) / f64::from(of);
        errors.push(share(uniform) - share(all));
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    mean.abs() * 100.0
}
