//! `stillhouse canary plan --explain`: how long a decision will take, before the canary begins.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{
    print,
    tables::{span, with_header},
    target::Target,
};
use crate::{
    cli::output::{progress, progress_ends},
    control::{
        PlanReport,
        judge::{Outlook, StableRates},
    },
    rollout::Share,
};

/// How many margins worse than stable the canaries of the table are.
const MARGINS: [f64; 4] = [0.0, 0.5, 2.0, 5.0];

/// Simulated canaries of each.
const RUNS: u32 = 100;

/// What is assumed of a stable version that nothing is known of.
const ASSUMED: StableRates = StableRates {
    disagreement: 0.02,
    divergence_nats: 0.05,
};

/// A simulation that takes longer shows how far it is.
const SILENT: Duration = Duration::from_secs(1);

/// How long one kind of canary takes.
#[derive(Debug, Serialize)]
struct Case {
    #[serde(flatten)]
    outlook: Outlook,
    /// At the present traffic; none without pairs, or if fewer canaries end so.
    median_seconds: Option<f64>,
    p90_seconds: Option<f64>,
}

/// Everything that is shown.
#[derive(Debug, Serialize)]
struct Explained {
    #[serde(flatten)]
    plan: PlanReport,
    pairs_per_second: f64,
    answers_per_second: f64,
    /// The shortest time that the ramp and the minimum age leave a good canary, at the present traffic.
    waiting_seconds: Option<f64>,
    cases: Vec<Case>,
}

/// Asks the server, simulates, and prints.
pub(super) fn explain(target: &Target, out: &mut dyn Write) -> anyhow::Result<()> {
    let (client, model) = target.find()?;
    let (plan, _) = client.get::<PlanReport>(&format!("/admin/models/{model}/plan"))?;
    let begun = Instant::now();
    let mut shown = false;
    let explained = Explained::new(plan, |percent| {
        if begun.elapsed() > SILENT {
            progress(&format!("{percent} % of the simulated canaries"));
            shown = true;
        }
    });
    if shown {
        progress_ends();
    }
    match target.server.json {
        true => print(out, &serde_json::to_value(&explained)?)?,
        false => writeln!(out, "{}", text(&explained))?,
    }
    Ok(())
}

impl Explained {
    fn new(plan: PlanReport, mut progress: impl FnMut(usize)) -> Self {
        let per_second = |count: u64| match plan.window_seconds {
            seconds if seconds > 0.0 => count as f64 / seconds,
            _ => 0.0,
        };
        let pairs_per_second = per_second(plan.pairs);
        let answers_per_second = per_second(plan.answers);
        let waiting_seconds = waiting(&plan, pairs_per_second, answers_per_second);
        let stable = StableRates {
            disagreement: plan.disagreement.unwrap_or(ASSUMED.disagreement),
            divergence_nats: plan.divergence_nats.unwrap_or(ASSUMED.divergence_nats),
        };
        let mut last = 0;
        let cases = MARGINS.iter().enumerate().map(|(place, margins)| {
            let done = |runs: u32| {
                let percent = (100 * place + 100 * runs as usize / RUNS as usize) / MARGINS.len();
                if percent > last {
                    last = percent;
                    progress(percent);
                }
            };
            let criteria = &plan.criteria;
            let outlook =
                Outlook::simulate(criteria, plan.try_number, stable, *margins, RUNS, done);
            let seconds = |pairs: Option<u64>| {
                let pairs = pairs.filter(|_| pairs_per_second > 0.0)?;
                let seconds = pairs as f64 / pairs_per_second;
                Some(match outlook.ends_in_promotion() {
                    true => seconds.max(waiting_seconds?),
                    false => seconds,
                })
            };
            Case {
                median_seconds: seconds(outlook.median_pairs),
                p90_seconds: seconds(outlook.p90_pairs),
                outlook,
            }
        });
        let cases = cases.collect();
        Self {
            plan,
            pairs_per_second,
            answers_per_second,
            waiting_seconds,
            cases,
        }
    }
}

/// What the steps of the ramp take at least, and the minimum age; none without traffic.
fn waiting(plan: &PlanReport, pairs_per_second: f64, answers_per_second: f64) -> Option<f64> {
    let criteria = &plan.criteria;
    let takes = |count: u64, per_second: f64| match (count, per_second) {
        (0, _) => Some(0.0),
        (_, rate) if rate > 0.0 => Some(count as f64 / rate),
        _ => None,
    };
    let step = |share: &Share| {
        let answers = match *share == Share::default() {
            true => 0.0,
            false => takes(criteria.step_answers, answers_per_second * share.ratio())?,
        };
        let pairs = takes(criteria.step_pairs, pairs_per_second)?;
        Some(answers.max(pairs).max(criteria.soak_seconds as f64))
    };
    let ramp = criteria.ramp.iter().map(step).sum::<Option<f64>>()?;
    // The minimum age is waited for before the last step.
    let last = criteria.ramp.last().and_then(step).unwrap_or(0.0);
    Some(ramp.max(criteria.minimum_age_seconds as f64 + last))
}

fn text(explained: &Explained) -> String {
    let Explained {
        plan,
        pairs_per_second,
        answers_per_second,
        waiting_seconds,
        cases,
    } = explained;
    let mut text = format!(
        "{}: an automatic canary beside {}, at the present traffic: {answers_per_second:.2} answers and {pairs_per_second:.2} pairs a \
         second ({} pairs in {}), at most {} runs of the teacher a second\n",
        plan.model,
        plan.stable,
        plan.pairs,
        span(plan.window_seconds),
        plan.teacher_budget_per_second
    );
    let mut table = with_header(["canary", "ends in", "pairs p50", "p90", "after p50", "p90"]);
    for case in cases {
        let outlook = &case.outlook;
        let (ending, part) = match outlook.ends_in_promotion() {
            true => ("promotion", outlook.promoted),
            false => ("roll-back", outlook.rolled_back),
        };
        let pairs = |pairs: Option<u64>| match pairs {
            Some(pairs) => pairs.to_string(),
            None => "over 20000".to_owned(),
        };
        let after = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), span);
        table.add_row([
            worse(outlook.margins),
            format!("{ending} {:.0}%", 100.0 * part),
            pairs(outlook.median_pairs),
            pairs(outlook.p90_pairs),
            after(case.median_seconds),
            after(case.p90_seconds),
        ]);
    }
    text += &format!("{table}\n");
    text += &format!(
        "margins: {} points of disagreement, {} nats of divergence; simulated {RUNS} times each, with the judge's own tests",
        100.0 * plan.criteria.disagreement_margin,
        plan.criteria.divergence_margin_nats
    );
    if let (None, _) | (_, None) = (plan.disagreement, plan.divergence_nats) {
        text += "; stable's distance from the teacher isn't known yet and was assumed";
    }
    match waiting_seconds {
        Some(seconds) => {
            text += &format!(
                "\na promotion takes {} at least: the ramp's steps, and judge.minimum_age_seconds",
                span(*seconds)
            );
        }
        None => {
            text += "\nno pairs come: without traffic, or without a teacher, nothing is decided"
        }
    }
    if plan.try_number > 1 {
        text += &format!(
            "\nit would be automatic try {} since a person last approved a version: each needs stronger evidence",
            plan.try_number
        );
    }
    if let Some(anchor) = &plan.anchor {
        text += &format!(
            "\nit is compared with {anchor} as well, the last version that a person approved, which may take longer"
        );
    }
    if *pairs_per_second > 0.9 * plan.teacher_budget_per_second {
        text += "\nthe teacher's budget limits the pairs now; with a canary the teacher is asked only where it can matter, so it \
                 goes faster than this";
    }
    text
}

fn worse(margins: f64) -> String {
    match margins {
        0.0 => "as good as stable".into(),
        margins => format!("{margins} margins worse"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{control::judge::Criteria, rollout::Plan};

    fn plan(pairs: u64) -> PlanReport {
        PlanReport {
            model: "toy".into(),
            generation: 1,
            plan: Plan::Manual,
            stable: "v1".into(),
            teacher: Some("t".into()),
            anchor: None,
            try_number: 1,
            criteria: Criteria::default(),
            sample_rate: 0.1,
            teacher_budget_per_second: 50.0,
            window_seconds: 600.0,
            answers: 10 * pairs,
            pairs,
            disagreement: Some(0.02),
            divergence_nats: Some(0.02),
        }
    }

    #[test]
    fn a_promotion_waits_for_the_slowest_of_ramp_age_and_answers() {
        // Six steps of ten minutes; a day before the last.
        let day = waiting(&plan(6000), 10.0, 100.0).expect("traffic");
        assert_eq!(day, 86_400.0 + 600.0);
        let hasty = |answers_per_second| {
            let mut plan = plan(6000);
            plan.criteria.minimum_age_seconds = 0;
            waiting(&plan, 10.0, answers_per_second)
        };
        assert_eq!(hasty(100.0), Some(3600.0));
        // Twenty answers at 1 % of one a second.
        assert_eq!(hasty(1.0), Some(3600.0 - 600.0 + 2000.0));
        assert_eq!(hasty(0.0), None);
        assert_eq!(waiting(&plan(0), 0.0, 1.0), None);
    }
}
