//! An assignment with its loaded versions, each in a [`Seat`].

use std::{
    array,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus::IntCounter;

use super::{Assignment, RequestMetrics, Role, Seat, Split, Task, split, traffic::TrafficMetrics};
use crate::version::Version;
use stillhouse_drift::sample_ratio;
use stillhouse_store::VersionName;

/// Recent keys, one word each; a repeated key must not count twice in the sample-ratio check.
const REMEMBERED: usize = 1024;

/// Which loaded version has which role. Immutable: every change creates the next generation.
pub struct Deployment {
    /// Generation, names and split.
    pub assignment: Assignment,
    /// Answers all requests that the others don't.
    pub stable: Arc<Seat>,
    /// The canary being judged.
    pub canary: Option<Arc<Seat>>,
    /// The large network that the other versions were trained from.
    pub teacher: Option<Arc<Seat>>,
    /// The last stable version, kept loaded: a rollback only replaces the pointer.
    pub previous: Option<Arc<Version>>,
    /// The last version that a person approved, while a canary is compared with it; none if it can't be loaded any more.
    pub anchor: Option<Arc<Version>>,
    task: Task,
    routed: [IntCounter; 3],
    drawn: [AtomicU64; 3],
    lately: Box<[AtomicU64]>,
}

/// Why an assignment's versions can't be put into their seats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSeated {
    /// An assignment names a version that isn't loaded.
    #[error("{0} is not loaded")]
    NotLoaded(VersionName),
    /// Of one version exactly one label applies, of another any number: nothing can be compared, and no answer of the one
    /// can stand for the other's.
    #[error(
        "{version} answers {kind}, {other} {other_kind}: all versions of a model have exclusive classes (logits, probabilities) or all have independent ones (independent, independent-logits); serve it as another model"
    )]
    KindsDiffer {
        /// One version.
        version: VersionName,
        /// Its `output.kind`.
        kind: &'static str,
        /// The other.
        other: VersionName,
        /// Its `output.kind`.
        other_kind: &'static str,
    },
}

/// The metrics that a deployment writes to.
#[derive(Clone)]
pub struct RolloutMetrics {
    requests: RequestMetrics,
    traffic: TrafficMetrics,
}

impl RolloutMetrics {
    /// Registers the families.
    pub fn new(metrics: &stillhouse_metrics::Metrics) -> Self {
        Self {
            requests: RequestMetrics::new(metrics),
            traffic: TrafficMetrics::new(metrics),
        }
    }

    /// The families of a model's whole traffic.
    pub fn traffic(&self) -> &TrafficMetrics {
        &self.traffic
    }
}

impl Deployment {
    /// Puts the versions of an assignment into their seats. If `before` has the same version in the same role, its seat
    /// is kept, with the state of its breaker.
    ///
    /// # Errors
    /// A version is missing in `loaded`, or its classes exclude each other and another's don't.
    pub fn new(
        task: &Task,
        assignment: Assignment,
        before: Option<&Self>,
        loaded: impl Fn(&VersionName) -> Option<Arc<Version>>,
        metrics: &RolloutMetrics,
    ) -> Result<Self, NotSeated> {
        let find =
            |name: &VersionName| loaded(name).ok_or_else(|| NotSeated::NotLoaded(name.clone()));
        agree_in_kind(&assignment, find)?;
        let seat = |role: Role| -> Result<Option<Arc<Seat>>, NotSeated> {
            let Some(name) = assignment.filling(role) else {
                return Ok(None);
            };
            let version = find(name)?;
            let same = before
                .and_then(|before| before.seat(role))
                .filter(|seat| Arc::ptr_eq(&seat.version, &version));
            Ok(Some(match same {
                Some(seat) => seat.clone(),
                None => Arc::new(metrics.requests.seat(role, version, task)),
            }))
        };
        Ok(Self {
            stable: seat(Role::Stable)?
                .ok_or_else(|| NotSeated::NotLoaded(assignment.stable.clone()))?,
            canary: seat(Role::Canary)?,
            teacher: seat(Role::Teacher)?,
            previous: assignment.previous.as_ref().map(find).transpose()?,
            anchor: assignment.compared_anchor().and_then(&loaded),
            task: task.clone(),
            routed: metrics.traffic.routed(&task.name),
            drawn: Default::default(),
            lately: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
            assignment,
        })
    }

    /// The seat that answers a routing key.
    pub fn route(&self, key: &[u8]) -> &Arc<Seat> {
        let Assignment { split, rollout, .. } = self.assignment;
        if split == Split::default() {
            self.routed[Role::Stable as usize].inc();
            return &self.stable;
        }
        let u = split::draw(&self.task.name, rollout, key);
        let role = split::role(split, u);
        self.routed[role as usize].inc();
        // The low bits choose the place, because the high ones have chosen the role.
        if self.lately[u as usize % REMEMBERED].swap(u, Relaxed) != u {
            self.drawn[role as usize].fetch_add(1, Relaxed);
        }
        // `Assignment::apply` can't create a share without a version; if there were one, stable answers.
        self.seat(role).unwrap_or(&self.stable)
    }

    /// The largest divergence of one answer, in nats, where decisions use it.
    pub fn clip_nats(&self) -> f64 {
        self.task.clip_nats
    }

    /// Requests that the split sent to a role; repeated keys count once.
    pub fn drawn(&self, role: Role) -> u64 {
        self.drawn[role as usize].load(Relaxed)
    }

    /// The logarithm of the evidence that the roles don't get their shares. 0 and below is no evidence; above ln 1000,
    /// something between the callers and the split is broken.
    pub fn sample_ratio_log_e(&self) -> f64 {
        let counts: [u64; 3] = array::from_fn(|role| self.drawn[role].load(Relaxed));
        let shares = Role::ALL.map(|role| self.assignment.split.of(role).ratio());
        sample_ratio::log_e_value(&counts, &shares)
    }

    /// The seat of a role, if a version fills it.
    pub fn seat(&self, role: Role) -> Option<&Arc<Seat>> {
        match role {
            Role::Stable => Some(&self.stable),
            Role::Canary => self.canary.as_ref(),
            Role::Teacher => self.teacher.as_ref(),
        }
    }

    /// Whether its answers are compared: it has a seat, or is the anchor.
    pub fn compares(&self, version: *const Version) -> bool {
        let seated = self.seats().map(|seat| &seat.version);
        let mut compared = seated.chain(&self.anchor);
        compared.any(|other| std::ptr::eq(Arc::as_ptr(other), version))
    }

    /// Every filled seat.
    pub fn seats(&self) -> impl Iterator<Item = &Arc<Seat>> {
        Role::ALL.into_iter().filter_map(|role| self.seat(role))
    }
}

/// Checks that the classes of all versions exclude each other, or of none.
fn agree_in_kind(
    assignment: &Assignment,
    find: impl Fn(&VersionName) -> Result<Arc<Version>, NotSeated>,
) -> Result<(), NotSeated> {
    let stable = find(&assignment.stable)?;
    let kind = |version: &Version| version.manifest.output.kind;
    for name in assignment.versions() {
        // Whether it may be missing depends on its role, as it is seated.
        let Ok(version) = find(name) else { continue };
        if kind(&version).is_independent() != kind(&stable).is_independent() {
            return Err(NotSeated::KindsDiffer {
                version: name.clone(),
                kind: kind(&version).as_str(),
                other: assignment.stable.clone(),
                other_kind: kind(&stable).as_str(),
            });
        }
    }
    Ok(())
}
