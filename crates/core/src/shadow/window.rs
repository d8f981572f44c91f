//! The last hour of every seat that is compared with the teacher.

use std::{sync::Arc, time::Duration};

use crate::rollout::{Deployment, Seat};
use stillhouse_drift::{ring::Ring, tally::Tally};

/// The counters of a seat's last hour.
pub(super) struct Window {
    /// The seat.
    pub(super) seat: Arc<Seat>,
    /// What was counted.
    pub(super) tally: Tally,
    /// In how long.
    pub(super) length: Duration,
}

/// The readings that windows are measured from; requests never change them.
#[derive(Default)]
pub(super) struct Windows {
    seats: Vec<(Arc<Seat>, Ring<(Duration, Tally)>)>,
    /// When they were last turned.
    now: Duration,
}

impl Windows {
    /// Starts windows for new seats and ends those of seats that no longer exist.
    pub(super) fn turn(&mut self, deployment: &Deployment, since_epoch: Duration) {
        self.now = since_epoch;
        let seated = |seat: &Arc<Seat>| deployment.seats().any(|other| Arc::ptr_eq(seat, other));
        self.seats.retain(|(seat, _)| seated(seat));
        for (seat, ring) in &mut self.seats {
            ring.turn(since_epoch, || {
                (since_epoch, read(seat).unwrap_or_default())
            });
        }
        for seat in deployment.seats() {
            let known = self.seats.iter().any(|(known, _)| Arc::ptr_eq(known, seat));
            if let (false, Some(tally)) = (known, read(seat)) {
                self.seats
                    .push((seat.clone(), Ring::new(since_epoch, (since_epoch, tally))));
            }
        }
    }

    pub(super) fn read(&self, deployment: &Deployment) -> Vec<Window> {
        let window = |seat: &Arc<Seat>| {
            let mut known = self.seats.iter();
            // A seat that is only a moment old has no window yet.
            let ring = known.find(|(known, _)| Arc::ptr_eq(known, seat));
            let now = read(seat)?;
            let (begun, then) = match ring {
                Some((_, ring)) => ring.oldest(),
                None => &(self.now, now.clone()),
            };
            Some(Window {
                seat: seat.clone(),
                tally: now.since(then),
                length: self.now.saturating_sub(*begun),
            })
        };
        deployment.seats().filter_map(window).collect()
    }
}

fn read(seat: &Seat) -> Option<Tally> {
    Some(
        seat.beside_teacher()?
            .read(seat.predictions(), seat.labels()),
    )
}
