//! Failures by reason, each with an example.

/// The number of distinct reasons that are kept, so that a server with arbitrary codes can't fill the memory.
const MAX_KINDS: usize = 40;
const MAX_EXAMPLE_CHARS: usize = 300;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// 0 if there was no response.
    pub status: u16,
    /// The problem's code from the server, or our own text.
    pub code: String,
    pub count: u64,
    /// The first occurrence.
    pub example: String,
}

/// All reasons so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reasons(Vec<Reason>);

impl Reasons {
    /// Counts one occurrence; `example` is called for the first one of each reason only.
    pub(crate) fn note(&mut self, status: u16, code: &str, example: impl FnOnce() -> String) {
        self.add(status, code, 1, example);
    }

    fn add(&mut self, status: u16, code: &str, count: u64, example: impl FnOnce() -> String) {
        let known = |reason: &&mut Reason| reason.status == status && reason.code == code;
        if let Some(reason) = self.0.iter_mut().find(known) {
            reason.count += count;
        } else if self.0.len() < MAX_KINDS {
            self.0.push(Reason {
                status,
                code: code.to_owned(),
                count,
                example: example().chars().take(MAX_EXAMPLE_CHARS).collect(),
            });
        } else {
            self.0[MAX_KINDS - 1].count += count;
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for reason in other.0 {
            self.add(reason.status, &reason.code, reason.count, || reason.example);
        }
    }

    /// The most frequent first.
    pub(crate) fn sorted(&self) -> Vec<Reason> {
        let mut all = self.0.clone();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.code.cmp(&b.code)));
        all
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            0 => f.write_str(&self.code),
            status => write!(f, "{}", format!("{status} {}", self.code).trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_by_kind_with_the_first_example() {
        let mut reasons = Reasons::default();
        reasons.note(503, "queue_full", || "first".into());
        reasons.note(503, "queue_full", || panic!("only the first is asked for"));
        reasons.note(0, "no answer in time", || "x".repeat(1000));
        let mut other = Reasons::default();
        for _ in 0..3 {
            other.note(500, "panicked", || "boom".into());
            other.note(503, "queue_full", || "theirs".into());
        }
        reasons.merge(other);
        let lines: Vec<String> = reasons
            .sorted()
            .iter()
            .map(|reason| format!("{} {reason}: {:.5}", reason.count, reason.example))
            .collect();
        assert_eq!(
            lines,
            [
                "5 503 queue_full: first",
                "3 500 panicked: boom",
                "1 no answer in time: xxxxx"
            ]
        );
        assert_eq!(reasons.sorted()[2].example.len(), MAX_EXAMPLE_CHARS);
    }

    #[test]
    fn reasons_beyond_the_limit_are_counted_in_the_last_one() {
        let mut reasons = Reasons::default();
        for number in 0..1000 {
            reasons.note(500, &number.to_string(), String::new);
        }
        assert_eq!(reasons.sorted().len(), MAX_KINDS);
        assert_eq!(
            reasons
                .sorted()
                .iter()
                .map(|reason| reason.count)
                .sum::<u64>(),
            1000
        );
    }
}
