//! Canaries on trial: evidence gathered, judged every half second, and where the plan is automatic, the verdict ordered.
//!
//! A verdict is an [`Order`] like an operator's: same checks, same journal, with the evidence in the audit line.

mod class_report;
mod measures;
mod report;

use std::{
    mem::{Discriminant, discriminant},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    Order,
    checkpoint::{SavedCase, TrialIdentity},
    judge::{Basis, Criteria, Decision, EvidenceLoss, Reason, Verdict, judge},
    trial::{SeatReadings, Trial},
};
use stillhouse_core::{
    registry::Model,
    rollout::{Abort, Authority, Change, Deployment, Plan, Promote, SetSplit},
    shadow::Pairing,
};
use stillhouse_metrics::Scope;
use stillhouse_store::ModelName;

pub use class_report::{ClassReport, ClassesReport};
pub use measures::JudgeMetrics;
pub use report::{
    EndedReport, EvidenceReport, HourReport, MetricReport, TrialReport, WealthReport,
};

/// Between two events about the evidence of one trial, at least.
const EVIDENCE_PAUSE: Duration = Duration::from_secs(1);

/// As it stands in the audit log.
pub(crate) const ACTOR: &str = "judge";

/// The place of one model's trial: empty without a canary.
pub(super) struct TrialSlot {
    criteria: Criteria,
    /// Of everything in the configuration that evidence depends on.
    configuration: String,
    inner: Mutex<Inner>,
}

/// What an earlier process knew of the canary that it left.
pub(super) struct RecoveredTrial {
    pub(super) rollout: u64,
    /// None where nothing was written down of it.
    pub(super) saved: Option<SavedCase>,
    pub(super) was_killed: bool,
}

#[derive(Default)]
struct Inner {
    case: Option<Case>,
    last: Option<EndedReport>,
    /// Until the first look.
    recovered: Option<RecoveredTrial>,
    /// The next trial is of the same canary, whose evidence so far counts no more.
    forgets: Option<EvidenceLoss>,
    /// What was last complained about, so that it is logged once.
    complained: Vec<Discriminant<Reason>>,
    /// Why the last order was not done, for the same reason.
    undone: String,
    /// What was last published as an event, and when.
    published: Option<(Instant, TrialReport)>,
}

/// What a look at a trial asks for.
#[derive(Default)]
pub(super) struct LookResult {
    /// To be carried out.
    pub(super) order: Option<Order>,
    /// To be published.
    pub(super) evidence: Option<TrialReport>,
}

/// A canary on trial.
struct Case {
    /// Keeps the seats that the trial's pairing means.
    deployment: Arc<Deployment>,
    identity: TrialIdentity,
    trial: Trial,
    report: TrialReport,
    /// Its series in the metrics, which end with it.
    series: Scope,
}

impl TrialSlot {
    /// `recovered` is of the canary that an earlier process has seen; `configuration` is the same as long as evidence
    /// gathered under it goes together.
    pub(super) fn new(
        criteria: Criteria,
        configuration: String,
        recovered: Option<RecoveredTrial>,
    ) -> Self {
        let inner = Inner {
            recovered,
            ..Inner::default()
        };
        Self {
            criteria,
            configuration,
            inner: Mutex::new(inner),
        }
    }

    /// What canaries are judged by.
    pub(super) fn criteria(&self) -> &Criteria {
        &self.criteria
    }

    /// The trial as another process could go on with it.
    pub(super) fn save(&self, now: Instant) -> Option<SavedCase> {
        let inner = self.inner();
        let case = inner.case.as_ref()?;
        let sample_ratio = case.deployment.sample_ratio_log_e();
        Some(SavedCase {
            identity: case.identity.clone(),
            trial: case.trial.save(sample_ratio, now),
        })
    }

    /// Marks what is known of the canary of `deployment` as incomplete.
    pub(super) fn lose_evidence(&self, deployment: &Deployment) {
        let mut inner = self.inner();
        match &mut inner.case {
            Some(case) => case.trial.lose_evidence(EvidenceLoss::Panic),
            None => inner.forgets = deployment.canary.as_ref().map(|_| EvidenceLoss::Panic),
        }
    }

    /// Whether the judge's last order failed for another reason than the one before, so that each is logged once.
    pub(super) fn is_new_failure(&self, text: String) -> bool {
        let mut inner = self.inner();
        let is_new = inner.undone != text;
        inner.undone = text;
        is_new
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gathers what has come, and judges; `hour` of the day, UTC. What is returned shall be done.
    pub(super) fn look(
        &self,
        model: &Model,
        metrics: &JudgeMetrics,
        now: Instant,
        hour: u8,
    ) -> LookResult {
        let deployment = model.slot.load_full();
        let starved = model.shadow.is_starved(&deployment, now);
        let mut inner = self.inner();
        inner.settle(&deployment);
        let Some(canary) = &deployment.canary else {
            model.shadow.differences().for_each(drop);
            model.shadow.minutes().for_each(drop);
            return LookResult::default();
        };
        // The failpoint of one canary, so that a test doesn't disturb others in its process.
        fail::fail_point!(format!("judge::look::{}", canary.version.name).as_str());
        let reading = SeatReadings {
            canary: canary.live(),
            stable: deployment.stable.live(),
        };
        let assignment = &deployment.assignment;
        let (identity, mut trial, mut series) = match inner.case.take() {
            Some(case) => (case.identity, case.trial, case.series),
            None => {
                let identity = TrialIdentity::of(&deployment, &self.configuration);
                let trial = self.begin(&mut inner, &deployment, &identity, reading.clone(), now);
                let trial = trial.of_classes(model.labels.clone());
                (identity, trial, metrics.scope())
            }
        };
        model
            .shadow
            .differences()
            .for_each(|difference| trial.pair(&difference, hour));
        model
            .shadow
            .minutes()
            .for_each(|minute| trial.minute(&minute));
        trial.look(assignment, reading, now);
        let known = trial.evidence(
            deployment.sample_ratio_log_e(),
            starved,
            deployment.anchor.is_some(),
        );
        let progress = trial.progress(now);
        let verdict = judge(&known, &progress, &self.criteria);
        let report = TrialReport::new(
            &deployment,
            &trial,
            &known,
            &progress,
            &verdict,
            &self.criteria,
        );
        metrics.show(&mut series, &report, &trial, &verdict);
        inner.complain(&verdict, &report);
        let evidence = inner.news(&report, now);
        let order = (assignment.plan == Plan::Automatic)
            .then(|| order(&model.task.name, &deployment, &verdict, &report))
            .flatten();
        inner.case = Some(Case {
            deployment,
            identity,
            trial,
            report,
            series,
        });
        LookResult { order, evidence }
    }

    /// A new trial, or an earlier process's if it was between the same versions and by the same criteria.
    fn begin(
        &self,
        inner: &mut Inner,
        deployment: &Deployment,
        identity: &TrialIdentity,
        reading: SeatReadings,
        now: Instant,
    ) -> Trial {
        let (pairing, assignment) = (Pairing::of(deployment), &deployment.assignment);
        let mut lost = inner.forgets.take();
        let recovered = inner.recovered.take();
        if let Some(recovered) = recovered.filter(|trial| trial.rollout == assignment.rollout) {
            let (model, was_killed) = (&deployment.stable.version.model, recovered.was_killed);
            match recovered.saved {
                Some(saved) if saved.identity == *identity && lost.is_none() => {
                    let place = (pairing, assignment);
                    let pairs = saved.trial.pairs();
                    let trial =
                        Trial::resume(saved.trial, was_killed, place, &self.criteria, reading, now);
                    let presumed_lost_pairs = trial.presumed_lost_pairs();
                    tracing::info!(%model, pairs, was_killed, presumed_lost_pairs, "the canary's trial goes on where the last process left it");
                    return trial;
                }
                Some(saved) => {
                    let loss = EvidenceLoss::Changed(saved.identity.changes(identity));
                    let loss = lost.get_or_insert(loss);
                    tracing::warn!(%model, "the evidence that the last process left counts no more: {loss}");
                }
                None => {
                    tracing::warn!(%model, "no evidence of the canary was left by the last process: it begins anew");
                    lost.get_or_insert(EvidenceLoss::Restart);
                }
            }
        }
        Trial::new(pairing, assignment, &self.criteria, reading, lost, now)
    }

    /// What is known of who is on trial now, and what was known of the one before.
    pub(super) fn report(
        &self,
        deployment: &Deployment,
    ) -> (Option<TrialReport>, Option<EndedReport>) {
        let mut inner = self.inner();
        // Between two looks the canary may have gone.
        inner.settle(deployment);
        let report = inner.case.as_ref().map(|case| case.report.clone());
        (report, inner.last.clone())
    }
}

impl Inner {
    /// Ends the case if another canary is judged now, or the same canary is compared with other versions.
    fn settle(&mut self, next: &Deployment) {
        let pairing = Pairing::of(next);
        let Some(case) = self.case.take_if(|case| case.trial.pairing != pairing) else {
            return;
        };
        self.complained.clear();
        self.undone.clear();
        self.published = None;
        let before = &case.deployment.assignment;
        let same =
            next.assignment.canary == before.canary && next.assignment.rollout == before.rollout;
        if same {
            // Seats are made anew for another teacher only: another stable version ends the canary.
            let loss = EvidenceLoss::Changed(vec![Basis::Teacher]);
            self.forgets = case.trial.has_evidence().then_some(loss);
            return;
        }
        let promoted = Some(&next.assignment.stable) == before.canary.as_ref();
        self.last = Some(EndedReport {
            time: Timestamp::now(),
            generation: next.assignment.generation,
            ending: if promoted { "promoted" } else { "taken out" }.into(),
            trial: case.report,
        });
    }

    /// The report, if it says something new and the last one was published long enough ago.
    fn news(&mut self, report: &TrialReport, now: Instant) -> Option<TrialReport> {
        let is_news = self.published.as_ref().is_none_or(|(at, last)| {
            now.saturating_duration_since(*at) >= EVIDENCE_PAUSE && !last.says_the_same_as(report)
        });
        is_news.then(|| {
            self.published = Some((now, report.clone()));
            report.clone()
        })
    }

    /// Logs once what an operator should look at.
    fn complain(&mut self, verdict: &Verdict, report: &TrialReport) {
        let complaints: Vec<_> = match verdict.decision {
            Decision::Hold { alert: true } => verdict.reasons.iter().map(discriminant).collect(),
            _ => vec![],
        };
        if complaints.iter().any(|new| !self.complained.contains(new)) {
            tracing::warn!(
                model = report.model,
                canary = report.canary,
                reasons = report.reasons.join("; "),
                "a canary needs somebody to look"
            );
        }
        self.complained = complaints;
    }
}

/// What a verdict asks for.
fn order(
    model: &ModelName,
    deployment: &Deployment,
    verdict: &Verdict,
    report: &TrialReport,
) -> Option<Order> {
    let change: Change = match verdict.decision {
        Decision::Hold { .. } => return None,
        Decision::Advance { share } => SetSplit {
            canary: Some(share),
            teacher: None,
        }
        .into(),
        Decision::Promote => Promote {}.into(),
        Decision::RollBack => Abort {}.into(),
    };
    Some(Order {
        model: model.clone(),
        change,
        // The evidence is about this deployment; an order that came first wins.
        expected: Some(deployment.assignment.generation),
        dry_run: false,
        actor: ACTOR.into(),
        by: Authority::Server,
        reason: report.reasons.join("; "),
        request_id: String::new(),
        detail: serde_json::to_value(report).ok(),
    })
}
