//! Where it is decided which deployment is wanted: a compare-and-set on a model's desired assignment, durable when it
//! returns. The local journal is one implementation; the control plane only knows the trait.

use super::journal::{Entry, Journal, JournalError};
use stillhouse_core::rollout::Assignment;
use stillhouse_store::ModelName;

/// Why a decision doesn't stand.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecisionError {
    /// Another decision came first; nothing was written.
    #[error("generation {} was decided meanwhile", current.generation)]
    Superseded {
        /// The assignment that is wanted now.
        current: Box<Assignment>,
    },
    /// It can't be written down; nothing was.
    #[error(transparent)]
    Unwritten(#[from] JournalError),
}

/// The desired assignment of every model, and the log of who changed it.
pub(super) trait DecisionLog: Send {
    /// What was decided last about a model; none if nothing ever was.
    fn desired(&self, model: &ModelName) -> Option<&Assignment>;

    /// Makes `entry.to` the desired assignment of `entry.model`, if nothing newer than `entry.from` is desired. It is durable,
    /// and the decision stands, when this returns. Blocks for that.
    ///
    /// # Errors
    /// Nothing has changed then.
    fn decide(&mut self, entry: &Entry) -> Result<(), DecisionError>;

    /// Writes an entry down that decides nothing. It is durable when this returns. Blocks for that.
    ///
    /// # Errors
    /// Nothing was written then.
    fn note(&mut self, entry: &Entry) -> Result<(), JournalError>;
}

impl DecisionLog for Journal {
    fn desired(&self, model: &ModelName) -> Option<&Assignment> {
        self.assignment(model)
    }

    fn decide(&mut self, entry: &Entry) -> Result<(), DecisionError> {
        // Older than `from` is possible: a version that was lost at the start may not have been written down.
        let known = entry.model.as_ref().and_then(|model| self.desired(model));
        let based_on = entry.from.as_ref().map_or(0, |from| from.generation);
        match known {
            Some(known) if known.generation > based_on => Err(DecisionError::Superseded {
                current: Box::new(known.clone()),
            }),
            _ => Ok(self.record(entry)?),
        }
    }

    fn note(&mut self, entry: &Entry) -> Result<(), JournalError> {
        self.record(&Entry {
            to: None,
            ..entry.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use stillhouse_core::rollout::SetTeacher;

    fn entry(from: &Assignment, to: Option<&Assignment>) -> Entry {
        Entry {
            time: Timestamp::UNIX_EPOCH,
            actor: "anna".into(),
            action: "set_teacher".into(),
            model: Some("toy".parse().expect("a name")),
            reason: String::new(),
            request_id: String::new(),
            from: Some(from.clone()),
            to: to.cloned(),
            detail: None,
        }
    }

    /// The assignment with another teacher, one generation later.
    fn taught_by(from: &Assignment, teacher: &str) -> Assignment {
        let version = Some(teacher.parse().expect("a name"));
        from.apply(&SetTeacher { version }.into())
            .expect("it follows")
    }

    #[test]
    fn of_two_decisions_on_one_assignment_the_first_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let (journal, _) = Journal::open(folder.path()).expect("opened");
        let mut log: Box<dyn DecisionLog> = Box::new(journal);
        let model: ModelName = "toy".parse().expect("a name");
        let first = Assignment::first("v1".parse().expect("a name"));
        let [one, other] = ["v2", "v3"].map(|teacher| taught_by(&first, teacher));
        log.decide(&entry(&first, Some(&one))).expect("decided");
        match log.decide(&entry(&first, Some(&other))) {
            Err(DecisionError::Superseded { current }) => assert_eq!(*current, one),
            decided => panic!("{decided:?}"),
        }
        assert_eq!(log.desired(&model), Some(&one));
        log.note(&entry(&one, None)).expect("written");
        let next = taught_by(&one, "v3");
        log.decide(&entry(&one, Some(&next))).expect("decided");
        assert_eq!(log.desired(&model), Some(&next));
    }
}
