//! Right verdicts: rollouts of versions that are healthy and of versions that are not, judged every minute, by
//! trueup's sequential test and beside it by what others judge by.
//!
//! Traffic, base error rate and every request are drawn from the seed. The canary gets a tenth of the requests
//! and is watched for at most an hour.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use trueup::model::{Counts, Evidence, Finding, Guard, Interval};

use super::figure;
use super::seeds::seeds;

const ROLLOUTS: u64 = 500;
const MINUTES: usize = 60;
const CANARY_SHARE: f64 = 0.1;
/// Requests on the new version that are enough to catch a fivefold error rate: this, through the base rate.
const ENOUGH: f64 = 4.5;

/// What is drawn for one rollout.
struct Rollout {
    /// Requests a minute, to both versions.
    traffic: u64,
    base: f64,
    minutes: Vec<Interval>,
}

#[derive(Clone, Copy, PartialEq)]
enum Row {
    Healthy,
    /// Errors come in runs of ten requests.
    Clustered,
    /// Both versions fail for some minutes.
    CommonOutage,
    /// The new version fails five times as often.
    Fivefold,
}

impl Rollout {
    fn drawn(row: Row, seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let traffic = between(&mut dice, 10.0, 6000.0).round() as u64;
        let base = between(&mut dice, 0.001, 0.05);
        let outage_begins = dice.random_range(0..MINUTES);
        let minute = |minute: usize| {
            let in_outage =
                row == Row::CommonOutage && (outage_begins..outage_begins + 5).contains(&minute);
            let old = if in_outage { 0.5 } else { base };
            let new = if row == Row::Fivefold { old * 5.0 } else { old };
            let mut drawn = Interval::default();
            let mut run = 0_u32;
            for _ in 0..traffic {
                let is_new = dice.random_bool(CANARY_SHARE);
                let rate = if is_new { new } else { old };
                let fails = match row {
                    Row::Clustered => {
                        if run == 0 && dice.random_bool(rate / 10.0) {
                            run = 10;
                        }
                        run = run.saturating_sub(1);
                        run > 0
                    }
                    _ => dice.random_bool(rate),
                };
                let counts = if is_new { &mut drawn.new } else { &mut drawn.old };
                counts.requests += 1;
                counts.errors += u64::from(fails);
            }
            drawn
        };
        Self { traffic, base, minutes: (0..MINUTES).map(minute).collect() }
    }

    /// Enough requests come to the new version within the hour.
    fn has_enough_traffic(&self) -> bool {
        self.traffic as f64 * CANARY_SHARE * MINUTES as f64 >= ENOUGH / self.base
    }
}

/// Each order of magnitude is as likely as the others.
fn between(dice: &mut StdRng, low: f64, high: f64) -> f64 {
    low * (high / low).powf(dice.random::<f64>())
}

/// What trueup finds, and how many requests the new version had served when the deciding minute began.
fn sequential(rollout: &Rollout) -> (Finding, u64) {
    let (guard, mut evidence) = (Guard::default(), Evidence::default());
    for minute in &rollout.minutes {
        let before = evidence.new.requests;
        evidence.add(&guard, *minute);
        let finding = evidence.finding(&guard);
        if finding != Finding::Undecided {
            return (finding, before);
        }
    }
    (Finding::Undecided, evidence.new.requests)
}

/// An alarm on a single error of the new version.
fn one_error(rollout: &Rollout) -> bool {
    rollout.minutes.iter().any(|minute| minute.new.errors > 0)
}

/// An alarm on more than 5 % errors of the new version in three minutes on end.
fn five_percent(rollout: &Rollout) -> bool {
    let is_high = |minute: &Interval| rate(minute.new) > 0.05;
    rollout.minutes.windows(3).any(|three| three.iter().all(is_high))
}

/// Kayenta's judge (spinnaker/kayenta, NetflixACAJudge and MannWhitneyClassifier): the shift of the error rate
/// by minute, its 98 % interval beside a quarter of the estimate. Its removal of outliers is left out.
fn mann_whitney(rollout: &Rollout) -> bool {
    let served = |counts: fn(&Interval) -> Counts| -> Vec<f64> {
        let all = rollout.minutes.iter().map(counts);
        all.filter(|counts| counts.requests > 0).map(rate).collect()
    };
    let (new, old) = (served(|minute| minute.new), served(|minute| minute.old));
    if new.is_empty() || old.is_empty() || new == old {
        return false;
    }
    let mut shifts: Vec<f64> =
        new.iter().flat_map(|new| old.iter().map(move |old| new - old)).collect();
    shifts.sort_by(f64::total_cmp);
    let (n, m) = (new.len() as f64, old.len() as f64);
    const Z_OF_98_PERCENT: f64 = 2.326;
    let half_width = Z_OF_98_PERCENT * (n * m * (n + m + 1.0) / 12.0).sqrt();
    let at = |rank: f64| shifts[(rank.max(0.0) as usize).min(shifts.len() - 1)];
    let (middle, low) = (at(n * m / 2.0), at(n * m / 2.0 - half_width));
    low > middle.abs() / 4.0
}

fn rate(counts: Counts) -> f64 {
    if counts.requests == 0 { 0.0 } else { counts.errors as f64 / counts.requests as f64 }
}

#[test]
fn a_healthy_version_is_let_through_and_a_fivefold_error_rate_is_caught() {
    let percent = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
    for (row, name) in [
        (Row::Healthy, "healthy"),
        (Row::Clustered, "healthy, errors in runs"),
        (Row::CommonOutage, "healthy, an outage of both versions"),
        (Row::Fivefold, "five times the errors"),
    ] {
        let rollouts: Vec<_> =
            seeds(ROLLOUTS).into_iter().map(|seed| Rollout::drawn(row, seed)).collect();
        let judged: Vec<_> = if row == Row::Fivefold {
            rollouts.iter().filter(|rollout| rollout.has_enough_traffic()).collect()
        } else {
            rollouts.iter().collect()
        };
        assert!(
            judged.len() * 2 > rollouts.len(),
            "{name}: {} of {} are judged",
            judged.len(),
            rollouts.len()
        );
        let found: Vec<_> = judged.iter().map(|rollout| (sequential(rollout), *rollout)).collect();
        let worse = found.iter().filter(|((finding, _), _)| *finding == Finding::Worse);
        let in_time = worse
            .clone()
            .filter(|((_, requests), rollout)| *requests as f64 <= ENOUGH / rollout.base);
        let (worse, in_time) = (worse.count(), in_time.count());
        let others: BTreeMap<_, _> = [
            ("one error alarms", judged.iter().filter(|rollout| one_error(rollout)).count()),
            (
                "more than 5 % for 3 min",
                judged.iter().filter(|rollout| five_percent(rollout)).count(),
            ),
            ("Mann-Whitney", judged.iter().filter(|rollout| mann_whitney(rollout)).count()),
        ]
        .into();
        let others: Vec<_> = others
            .iter()
            .map(|(judge, count)| format!("{judge} {:.1} %", percent(*count, judged.len())))
            .collect();
        let text = format!(
            "{name}, {} rollouts: rolled back {:.2} %, {:.2} % within 4.5/p requests; {}",
            judged.len(),
            percent(worse, judged.len()),
            percent(in_time, judged.len()),
            others.join(", ")
        );
        figure("right verdicts", &text);
        if row == Row::Fivefold {
            assert!(percent(in_time, judged.len()) >= 95.0, "{text}");
        } else {
            assert!(percent(worse, judged.len()) <= 1.0, "{text}");
        }
    }
}
