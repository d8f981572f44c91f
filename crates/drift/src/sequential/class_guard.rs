//! A guard for each class of stable's answer: a canary may be as good as stable on average and have lost one rare class.

use serde::{Deserialize, Serialize};

use super::{STAKE_FRACTIONS, STAKES, ln_add_exp, ln_mean_exp, margin::Margin};

/// Up to so many classes are guarded each on its own, those that stable answers first; the others together.
pub const OWN_CLASSES: usize = 100;

/// The pairs of one class, by the difference in disagreement. Without restarts these three counts are all that a bettor's
/// wealth depends on, so what replicas saw adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassPairs {
    /// Only the canary's answer was wrong.
    pub worse: u64,
    /// Both or none was.
    pub same: u64,
    /// Only stable's was.
    pub better: u64,
}

impl ClassPairs {
    /// All of them.
    pub fn pairs(self) -> u64 {
        self.worse + self.same + self.better
    }

    /// The mean difference in disagreement, canary less stable; `None` of no pairs.
    pub fn difference(self) -> Option<f64> {
        let sum = self.worse as f64 - self.better as f64;
        (self.pairs() > 0).then(|| sum / self.pairs() as f64)
    }

    fn count(&mut self, difference: f64) {
        // What isn't a number is the worst.
        match difference {
            better if better < 0.0 => self.better += 1,
            0.0 => self.same += 1,
            _ => self.worse += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.worse += other.worse;
        self.same += other.same;
        self.better += other.better;
    }

    fn log_wealth(self, margin: &Margin) -> [f64; STAKES] {
        let counts = [(self.worse, 1.0), (self.same, 0.0), (self.better, -1.0)];
        STAKE_FRACTIONS.map(|fraction| {
            let won = |(count, difference): &(u64, f64)| {
                *count as f64 * (fraction * margin.excess(*difference)).ln_1p()
            };
            counts.iter().map(won).sum()
        })
    }

    fn log_e(self, margin: &Margin) -> f64 {
        ln_mean_exp(&self.log_wealth(margin))
    }
}

/// One guarded class, or all that have no guard of their own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassSeen {
    /// Stable's class; `None`: those that have no guard of their own.
    pub class: Option<u32>,
    /// What was seen of it.
    pub pairs: ClassPairs,
    /// ln of the e-value of this guard alone.
    pub log_e: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Own {
    class: u32,
    pairs: ClassPairs,
}

/// Wealth against "of no class of stable's answers does the canary get more wrong than the margin allows".
///
/// A bettor for each class, with the bets of a [`super::RollBack`] that never begins again; the e-value is the mean of
/// theirs, which is one whatever their dependence. A class has its bettor from its first pair on, and which classes have one of
/// their own is decided by the pictures alone, never by how they were answered. Whether a picture becomes a pair may depend
/// on stable's class, so that rare classes are drawn more often, but on nothing else that differs within a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassGuard {
    margin: Margin,
    classes: u32,
    /// In the order in which they were first seen.
    own: Vec<Own>,
    others: ClassPairs,
}

impl ClassGuard {
    /// Of each class `margin` of its answers may be lost.
    ///
    /// # Panics
    /// If the margin isn't within −1..1.
    pub fn new(margin: f64) -> Self {
        Self {
            margin: Margin::new(-1.0, 1.0, margin),
            classes: 0,
            own: Vec::new(),
            others: ClassPairs::default(),
        }
    }

    /// Says how many classes there are, before the first pair: the initial wealth is divided among them.
    pub fn announce(&mut self, classes: usize) {
        self.classes = u32::try_from(classes).unwrap_or(u32::MAX);
        let room = classes.min(OWN_CLASSES);
        self.own.reserve(room.saturating_sub(self.own.len()));
    }

    /// Adds a pair by stable's class: a difference in disagreement, −1, 0 or 1.
    pub fn observe(&mut self, class: usize, difference: f64) {
        let class = u32::try_from(class).unwrap_or(u32::MAX);
        self.of(class).count(difference);
    }

    /// Adds what another replica saw. Classes that both guard on their own stay so.
    pub fn merge(&mut self, other: &Self) {
        for Own { class, pairs } in &other.own {
            self.of(*class).add(*pairs);
        }
        self.others.add(other.others);
    }

    fn of(&mut self, class: u32) -> &mut ClassPairs {
        let known = self.own.iter().position(|own| own.class == class);
        if let Some(place) = known {
            return &mut self.own[place].pairs;
        }
        if self.own.len() == OWN_CLASSES {
            return &mut self.others;
        }
        let pairs = ClassPairs::default();
        self.own.push(Own { class, pairs });
        let last = self.own.len() - 1;
        &mut self.own[last].pairs
    }

    /// ln of the e-value; the null is refuted at α when it is at least ln(1/α).
    pub fn log_e(&self) -> f64 {
        let others = self.others.log_e(&self.margin);
        let seen = self.own.iter().map(|own| own.pairs.log_e(&self.margin));
        // Those that were not seen yet own 1 each.
        let unseen = self.guards() - self.own.len() as f64 - self.has_others();
        let others = if self.has_others() > 0.0 {
            others
        } else {
            f64::NEG_INFINITY
        };
        let sum = seen.chain([others, unseen.ln()]).reduce(ln_add_exp);
        match self.guards() {
            0.0 => 0.0,
            guards => sum.unwrap_or(0.0) - guards.ln(),
        }
    }

    /// In how many pairs of one class, all of them wrong by the canary alone, the e-value reaches `exp(log_e)` whatever
    /// the other classes say: of a class with fewer this guard knows nothing.
    pub fn pairs_needed(&self, log_e: f64) -> u64 {
        let worst = |worse| ClassPairs {
            worse,
            ..ClassPairs::default()
        };
        let reaches = |pairs: u64| worst(pairs).log_e(&self.margin) - self.guards().ln() >= log_e;
        let enough = (0..64).map(|power| 1 << power).find(|n| reaches(*n));
        let enough: u64 = enough.unwrap_or(u64::MAX);
        let (mut few, mut enough) = (enough / 2, enough);
        while enough - few > 1 {
            let middle = few + (enough - few) / 2;
            match reaches(middle) {
                true => enough = middle,
                false => few = middle,
            }
        }
        enough
    }

    /// All that were seen, in the order of their first pairs; those without a guard of their own come last.
    pub fn seen(&self) -> impl Iterator<Item = ClassSeen> + '_ {
        let seen = |class, pairs: ClassPairs| ClassSeen {
            class,
            pairs,
            log_e: pairs.log_e(&self.margin),
        };
        let own = self
            .own
            .iter()
            .map(move |own| seen(Some(own.class), own.pairs));
        let others = (self.others.pairs() > 0).then(|| seen(None, self.others));
        own.chain(others)
    }

    /// How many pairs of one class there are; of a class without a guard of its own `None`.
    pub fn pairs_of(&self, class: u32) -> Option<u64> {
        let own = self.own.iter().find(|own| own.class == class);
        match own {
            Some(own) => Some(own.pairs.pairs()),
            None => (self.own.len() < OWN_CLASSES).then_some(0),
        }
    }

    /// How many classes there are.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Number of pairs observed.
    pub fn observations(&self) -> u64 {
        let own: u64 = self.own.iter().map(|own| own.pairs.pairs()).sum();
        own + self.others.pairs()
    }

    /// How many there will be when every class was seen.
    fn guards(&self) -> f64 {
        let own = (self.classes as usize).clamp(self.own.len(), OWN_CLASSES.max(self.own.len()));
        own as f64 + self.has_others()
    }

    fn has_others(&self) -> f64 {
        let more = self.classes as usize > OWN_CLASSES || self.others.pairs() > 0;
        f64::from(u8::from(more))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{RollBack, streams::Stream},
        *,
    };

    fn guard(classes: usize) -> ClassGuard {
        let mut guard = ClassGuard::new(0.1);
        guard.announce(classes);
        guard
    }

    const NEEDED: f64 = 5.991_464_547;

    #[test]
    fn too_few_pairs_are_those_that_could_not_end_it() {
        for classes in [2, 10, 100, 1000] {
            let needed = guard(classes).pairs_needed(NEEDED);
            let after = |pairs| {
                let mut guard = guard(classes);
                (0..pairs).for_each(|_| guard.observe(1, 1.0));
                guard.log_e()
            };
            println!("{classes} classes: {needed} pairs");
            assert!(after(needed) >= NEEDED);
            // The others, of which nothing is known, own 1 each, which may lead the e-value over the threshold a pair sooner.
            assert!(after(needed - 2) < NEEDED);
        }
    }

    /// Alone, it is the roll-back test of the same margin.
    #[test]
    fn one_class_is_a_roll_back_test() {
        let (mut guard, mut test) = (guard(1), RollBack::new(-1.0, 1.0, 0.1, None));
        for difference in [1.0, 0.0, -1.0, 1.0, f64::NAN, 0.0] {
            guard.observe(0, difference);
            test.observe(difference);
        }
        assert!((guard.log_e() - test.log_e()).abs() < 1e-12);
        assert_eq!(guard.observations(), 6);
    }

    #[test]
    fn beyond_a_hundred_classes_the_first_have_their_own() {
        let mut guard = guard(1000);
        for class in (0..1000).chain(0..1000) {
            guard.observe(class, 0.0);
        }
        assert_eq!(guard.seen().count(), OWN_CLASSES + 1);
        assert_eq!(guard.pairs_of(99), Some(2));
        assert_eq!(guard.pairs_of(100), None);
        let others = guard.seen().last().expect("others");
        assert_eq!((others.class, others.pairs.pairs()), (None, 1800));
        assert!(guard.log_e() < 0.0);
    }

    #[test]
    fn replicas_add_up_and_what_was_written_goes_on() {
        let mut stream = Stream::new(7);
        let new = || guard(10);
        let (mut one, mut replicas) = (new(), [new(), new(), new()]);
        for n in 0..600 {
            let class = (stream.uniform() * 10.0) as usize;
            let difference = stream.difference(0.9);
            one.observe(class, difference);
            replicas[n % 3].observe(class, difference);
            if n == 300 {
                let text = serde_json::to_string(&replicas[1]).expect("written");
                replicas[1] = serde_json::from_str(&text).expect("read");
            }
        }
        let [mut fleet, second, third] = replicas;
        fleet.merge(&second);
        fleet.merge(&third);
        assert!((fleet.log_e() - one.log_e()).abs() < 1e-9);
    }

    /// By enumeration: at the margin in every class the wealth is worth one.
    #[test]
    fn at_the_margin_wealth_is_worth_one() {
        fn mean(guard: &ClassGuard, length: u32) -> f64 {
            if length == 0 {
                return guard.log_e().exp();
            }
            let branches = [
                (0, 1.0, 0.05),
                (0, 0.0, 0.45),
                (1, 1.0, 0.05),
                (1, 0.0, 0.45),
            ];
            let branches = branches.iter().map(|(class, difference, chance)| {
                let mut next = guard.clone();
                next.observe(*class, *difference);
                chance * mean(&next, length - 1)
            });
            branches.sum()
        }
        for classes in [2, 5, 200] {
            let mean = mean(&guard(classes), 6);
            assert!((mean - 1.0).abs() < 1e-12, "{mean}");
        }
    }
}
