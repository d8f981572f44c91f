//! Finds answers that contradict each other.
//!
//! Within a run, a generation and role always belong to one version, and a version always gives the same picture the same
//! label. A violation means that the server mixed up versions or rows of a batch.

use std::fmt;

use crate::{answer::Answer, pictures};

/// A version in the role and generation in which it answered, with the number of its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub model: String,
    pub generation: u64,
    pub role: String,
    pub version: String,
    pub answers: u64,
}

/// Two answers that can't both be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// Two versions answered for the same generation and role.
    Version { seat: String, versions: [String; 2] },
    /// One version gave the same picture two labels.
    Label {
        version: String,
        picture: usize,
        labels: [String; 2],
    },
}

/// How many answers agreed with the pictures' known labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelCounts {
    pub right: u64,
    pub wrong: u64,
    /// A description of the first wrong one.
    pub example: Option<String>,
}

/// All that has been observed so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConsistencyCheck {
    pub seats: Vec<Seat>,
    /// Index of the seat that answered last: a cache, since it mostly answers next, too.
    last: usize,
    /// By version, then by the picture's index.
    labels: Vec<(String, Vec<Option<SeenLabel>>)>,
    pub labelled: LabelCounts,
}

/// The label that a version gave a picture.
#[derive(Clone, Debug)]
struct SeenLabel {
    label: String,
    right: Option<bool>,
}

impl ConsistencyCheck {
    /// Records an answer to the picture at index `picture`, whose true label may be known.
    ///
    /// # Errors
    /// The contradiction with an earlier answer, if there is one.
    pub(crate) fn observe(
        &mut self,
        answer: &Answer,
        picture: usize,
        known: Option<&str>,
    ) -> Result<(), Contradiction> {
        let is = |seat: &Seat| {
            seat.generation == answer.generation
                && seat.role == answer.role
                && seat.model == answer.model
        };
        if !self.seats.get(self.last).is_some_and(is) {
            self.last = self.seats.iter().position(is).unwrap_or_else(|| {
                self.seats.push(Seat {
                    model: answer.model.clone().into_owned(),
                    generation: answer.generation,
                    role: answer.role.clone().into_owned(),
                    version: answer.version.clone().into_owned(),
                    answers: 0,
                });
                self.seats.len() - 1
            });
        }
        let seat = &mut self.seats[self.last];
        seat.answers += 1;
        if seat.version != answer.version {
            return Err(Contradiction::Version {
                seat: seat.name(),
                versions: [seat.version.clone(), answer.version.clone().into_owned()],
            });
        }
        self.observe_label(answer, picture, known)
    }

    fn observe_label(
        &mut self,
        answer: &Answer,
        picture: usize,
        known: Option<&str>,
    ) -> Result<(), Contradiction> {
        let label = &*answer.predictions.label;
        let seen =
            label_slot(&mut self.labels, &answer.version, picture).get_or_insert_with(|| {
                SeenLabel {
                    label: label.to_owned(),
                    right: known.map(|known| pictures::slug(label) == known),
                }
            });
        if seen.label != label {
            return Err(Contradiction::Label {
                version: answer.version.clone().into_owned(),
                picture,
                labels: [seen.label.clone(), label.to_owned()],
            });
        }
        match seen.right {
            None => {}
            Some(true) => self.labelled.right += 1,
            Some(false) => {
                self.labelled.wrong += 1;
                self.labelled.example.get_or_insert_with(|| {
                    format!(
                        "{} answered `{label}`, the file's name says `{}`",
                        answer.version,
                        known.unwrap_or_default()
                    )
                });
            }
        }
        Ok(())
    }

    /// Adds another thread's observations and returns the contradictions between the two.
    pub(crate) fn merge(&mut self, other: Self) -> Vec<Contradiction> {
        let mut found = Vec::new();
        for seat in other.seats {
            let same = |own: &&mut Seat| {
                own.generation == seat.generation
                    && own.role == seat.role
                    && own.model == seat.model
            };
            match self.seats.iter_mut().find(same) {
                None => self.seats.push(seat),
                Some(own) => {
                    own.answers += seat.answers;
                    if own.version != seat.version {
                        found.push(Contradiction::Version {
                            seat: own.name(),
                            versions: [own.version.clone(), seat.version],
                        });
                    }
                }
            }
        }
        for (version, pictures) in other.labels {
            for (picture, theirs) in pictures.into_iter().enumerate() {
                let Some(theirs) = theirs else { continue };
                let own = label_slot(&mut self.labels, &version, picture)
                    .get_or_insert_with(|| theirs.clone());
                if own.label != theirs.label {
                    found.push(Contradiction::Label {
                        version: version.clone(),
                        picture,
                        labels: [own.label.clone(), theirs.label],
                    });
                }
            }
        }
        self.labelled.right += other.labelled.right;
        self.labelled.wrong += other.labelled.wrong;
        self.labelled.example = self.labelled.example.take().or(other.labelled.example);
        found
    }
}

/// The place of the label that `version` gave the picture at index `picture`.
fn label_slot<'a>(
    labels: &'a mut Vec<(String, Vec<Option<SeenLabel>>)>,
    version: &str,
    picture: usize,
) -> &'a mut Option<SeenLabel> {
    let at = labels
        .iter()
        .position(|(named, _)| named == version)
        .unwrap_or_else(|| {
            labels.push((version.to_owned(), Vec::new()));
            labels.len() - 1
        });
    let pictures = &mut labels[at].1;
    if pictures.len() <= picture {
        pictures.resize(picture + 1, None);
    }
    &mut pictures[picture]
}

impl Seat {
    fn name(&self) -> String {
        format!(
            "generation {}, {} of {}",
            self.generation, self.role, self.model
        )
    }
}

/// The reasons under which contradictions are counted.
pub(crate) const REASONS: [&str; 2] = [
    "another version under the same generation and role",
    "another label by the same version for the same picture",
];

impl Contradiction {
    /// One of [`REASONS`].
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Version { .. } => REASONS[0],
            Self::Label { .. } => REASONS[1],
        }
    }
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version {
                seat,
                versions: [a, b],
            } => write!(f, "{seat}: both {a} and {b}"),
            Self::Label {
                version,
                labels: [a, b],
                ..
            } => write!(f, "{version}: both `{a}` and `{b}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::TopPrediction;

    fn answer(
        generation: u64,
        role: &'static str,
        version: &'static str,
        label: &'static str,
    ) -> Answer<'static> {
        Answer {
            model: "fashion".into(),
            version: version.into(),
            role: role.into(),
            generation,
            predictions: TopPrediction {
                label: label.into(),
                probability: 0.5,
            },
        }
    }

    #[test]
    fn a_generation_and_role_belong_to_one_version() {
        let mut consistency = ConsistencyCheck::default();
        let mut observe = |generation, role, version| {
            consistency.observe(&answer(generation, role, version, "Bag"), 0, None)
        };
        assert_eq!(observe(1, "stable", "s1"), Ok(()));
        assert_eq!(observe(1, "canary", "s2"), Ok(()));
        assert_eq!(observe(2, "stable", "s2"), Ok(()));
        assert_eq!(observe(1, "stable", "s1"), Ok(()));
        let found = observe(1, "stable", "s2").expect_err("two versions");
        assert_eq!(
            found.to_string(),
            "generation 1, stable of fashion: both s1 and s2"
        );
        assert_eq!(consistency.seats.len(), 3);
        assert_eq!(consistency.seats[0].answers, 3);
    }

    #[test]
    fn a_version_gives_a_picture_one_label() {
        let mut consistency = ConsistencyCheck::default();
        let mut observe = |version, picture, label| {
            consistency.observe(&answer(1, version, version, label), picture, None)
        };
        assert_eq!(observe("s1", 0, "Bag"), Ok(()));
        assert_eq!(observe("s1", 1, "Coat"), Ok(()));
        assert_eq!(observe("s2", 0, "Coat"), Ok(()));
        assert_eq!(observe("s1", 0, "Bag"), Ok(()));
        let found = observe("s1", 0, "Coat").expect_err("two labels");
        assert_eq!(found.to_string(), "s1: both `Bag` and `Coat`");
    }

    #[test]
    fn known_labels_are_compared_as_file_names_spell_them() {
        let mut consistency = ConsistencyCheck::default();
        for (picture, label) in [(0, "T-shirt/top"), (0, "T-shirt/top"), (1, "Bag")] {
            let seen = consistency.observe(
                &answer(1, "stable", "s1", label),
                picture,
                Some("t-shirt-top"),
            );
            assert_eq!(seen, Ok(()));
        }
        assert_eq!(
            (consistency.labelled.right, consistency.labelled.wrong),
            (2, 1)
        );
        let example = consistency.labelled.example.expect("an example");
        assert_eq!(
            example,
            "s1 answered `Bag`, the file's name says `t-shirt-top`"
        );
    }

    #[test]
    fn contradictions_between_threads_are_found() {
        let seen = |version, label| {
            let mut consistency = ConsistencyCheck::default();
            consistency
                .observe(&answer(1, "stable", version, label), 2, None)
                .expect("the first");
            consistency
        };
        let mut same = seen("s1", "Bag");
        assert_eq!(same.merge(seen("s1", "Bag")), []);
        assert_eq!(same.seats[0].answers, 2);
        let other_version: Vec<String> = seen("s1", "Bag")
            .merge(seen("s2", "Bag"))
            .iter()
            .map(Contradiction::to_string)
            .collect();
        assert_eq!(
            other_version,
            ["generation 1, stable of fashion: both s1 and s2"]
        );
        let other_label: Vec<String> = seen("s1", "Bag")
            .merge(seen("s1", "Coat"))
            .iter()
            .map(Contradiction::to_string)
            .collect();
        assert_eq!(other_label, ["s1: both `Bag` and `Coat`"]);
    }
}
