//! How a rollout begins, and how that ends the one before.

use jiff::Timestamp;

use super::later;
use super::plan::{Action, Policy, enter};
use super::told::{ended, tell};
use crate::store::{
    Cause, EventKind, Good, Order, Passed, Promoted, Release, Rollout, Stage, Verdict,
};

/// The rollout of a release that became current.
#[derive(Debug)]
#[expect(missing_docs, reason = "the rollout of the new release, and what to tell people of both")]
pub struct Begun {
    /// The one before, where the new release ends it.
    pub closed: Option<Rollout>,
    pub rollout: Rollout,
    pub told: Vec<Action>,
}

/// Begins with a release, and closes the rollout before it.
pub fn begin(before: Option<&Rollout>, release: &Release, policy: Policy, now: Timestamp) -> Begun {
    let is_rollback = matches!(release.cause, Cause::Rollback(_)) && release.only.is_empty();
    let good = before.and_then(|before| match before.verdict {
        Verdict::Succeeded if !is_rollback => {
            Some(Good { release: before.release, digest: before.digest.clone() })
        }
        _ => before.good.clone(),
    });
    let moved_before = before.is_some_and(|b| b.frontends_moved && b.verdict != Verdict::Succeeded);
    let order = match good {
        None => Order::Together,
        // No frontend calls what is taken back.
        Some(_) if is_rollback && before.is_some_and(|before| !before.frontends_moved) => {
            Order::Together
        }
        Some(_) if is_rollback => Order::FrontendsFirst,
        Some(_) => Order::FrontendsLast,
    };
    let closed = before.and_then(|before| close(before, release, now));
    let mut told = Vec::new();
    if let Some(closed) = closed.as_ref().filter(|closed| closed.verdict != Verdict::Succeeded) {
        told.extend(ended(closed));
    }
    let message = match (&release.cause, &release.promoted) {
        (_, Some(Promoted { environment, release: of })) => format!(
            "release {} is being rolled out: {environment} release {of} promoted",
            release.number
        ),
        (Cause::Apply, None) => format!("release {} is being rolled out", release.number),
        (cause, None) => format!("release {} is being rolled out: {cause}", release.number),
    };
    told.push(tell(release.number, EventKind::Normal, "ReleaseStarted", message));
    let rollout = Rollout {
        release: release.number,
        digest: release.digest.clone(),
        epoch: 0,
        verdict: Verdict::Progressing,
        reason: "Progressing".to_owned(),
        message: String::new(),
        order,
        second_open: order == Order::Together,
        frontends_moved: moved_before || order != Order::FrontendsLast,
        stages: vec![Passed { stage: Stage::First, since: now, until: None }],
        deadline: later(now, policy.progress_deadline),
        good,
        cause: release.cause.clone(),
        gradual: release.gradual,
        extensions: 0,
        answered_at: None,
        mixed_since: None,
        mixed_until: None,
        arrived: Vec::new(),
        shifts: Vec::new(),
        seal: String::new(),
    };
    Begun { closed, rollout, told }
}

/// How often a deadline moves because no daemon was at work: one that dies again and again does not keep a release from
/// failing.
const EXTENSIONS_MAX: u32 = 4;

/// No daemon worked on a rollout for a while: its objects get their time from now on, [`EXTENSIONS_MAX`] times at most.
pub fn give_time(rollout: &mut Rollout, policy: &Policy, now: Timestamp) {
    let deadline = later(now, policy.progress_deadline);
    let may_move = rollout.stage().has_deadline() && rollout.extensions < EXTENSIONS_MAX;
    if may_move && deadline > rollout.deadline {
        rollout.deadline = deadline;
        rollout.extensions += 1;
    }
}

/// What the rollout before comes to when another release takes its place; `None` where it stays as it is.
fn close(before: &Rollout, release: &Release, now: Timestamp) -> Option<Rollout> {
    let is_rolled_back = before.verdict == Verdict::RolledBack;
    if is_rolled_back
        || before.stage() == Stage::Over && !matches!(release.cause, Cause::Rollback(_))
    {
        return None;
    }
    let mut closed = before.clone();
    match (&release.cause, before.verdict) {
        (Cause::Rollback(to), _) if release.digest != before.digest && release.only.is_empty() => {
            let undone =
                format!("release {} has the content of release {to} again", release.number);
            let was_failing = matches!(before.verdict, Verdict::Failed | Verdict::Inconclusive);
            if !was_failing {
                closed.reason = "RolledBackByPerson".to_owned();
                closed.message.clear();
            }
            closed.message = [closed.message.as_str(), &undone]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("; ");
            closed.verdict = Verdict::RolledBack;
        }
        (_, Verdict::Succeeded | Verdict::Failed | Verdict::RolledBack | Verdict::Superseded) => {}
        (_, Verdict::Pending | Verdict::Progressing | Verdict::Inconclusive) => {
            closed.verdict = Verdict::Superseded;
            closed.reason = "NewerRelease".to_owned();
            closed.message = format!("release {} came before it was over", release.number);
        }
    }
    // Whatever is mixed from now on is the next release's.
    closed.mixed_until = closed.mixed_until.or(closed.mixed_since.map(|_| now));
    enter(&mut closed, Stage::Over, now);
    (closed != *before).then_some(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(before: Option<&Rollout>, number: u64, cause: Cause, second: i64) -> Begun {
        let now = Timestamp::from_second(second).unwrap();
        let digest = format!("digest {number}");
        begin(before, &Release::sample(number, &digest, cause), Policy::SAMPLE, now)
    }

    fn succeeded(mut rollout: Rollout) -> Rollout {
        rollout.verdict = Verdict::Succeeded;
        let end = rollout.deadline;
        enter(&mut rollout, Stage::Over, end);
        rollout
    }

    #[test]
    fn a_newer_release_supersedes_what_is_not_over_and_goes_back_to_what_succeeded_last() {
        let first = succeeded(begun(None, 1, Cause::Apply, 0).rollout);
        let second = begun(Some(&first), 2, Cause::Apply, 1000);
        assert_eq!(second.closed, None, "what is over stays as it is");
        let third = begun(Some(&second.rollout), 3, Cause::Apply, 1020);
        let closed = third.closed.unwrap();
        assert_eq!((closed.verdict, closed.stage()), (Verdict::Superseded, Stage::Over));
        assert_eq!(closed.message, "release 3 came before it was over");
        assert_eq!(third.rollout.good.unwrap().release, 1);
    }

    #[test]
    fn a_daemon_that_dies_again_and_again_does_not_keep_a_release_from_failing() {
        let mut rollout = begun(None, 1, Cause::Apply, 0).rollout;
        let mut deadlines = Vec::new();
        for second in (600..6000).step_by(600) {
            give_time(&mut rollout, &Policy::SAMPLE, Timestamp::from_second(second).unwrap());
            deadlines.push(rollout.deadline.as_second());
        }
        deadlines.dedup();
        assert_eq!(deadlines, [1500, 2100, 2700, 3300]);
        let mut over = succeeded(begun(None, 1, Cause::Apply, 0).rollout);
        give_time(&mut over, &Policy::SAMPLE, Timestamp::from_second(600).unwrap());
        assert_eq!((over.deadline.as_second(), over.extensions), (900, 0), "it is over");
    }

    #[test]
    fn what_a_person_takes_back_is_rolled_back_and_no_longer_good() {
        let first = succeeded(begun(None, 1, Cause::Apply, 0).rollout);
        let second = succeeded(begun(Some(&first), 2, Cause::Apply, 1000).rollout);
        let third = begun(Some(&second), 3, Cause::Rollback(1), 2000);
        let closed = third.closed.unwrap();
        assert_eq!(
            (closed.verdict, closed.reason.as_str()),
            (Verdict::RolledBack, "RolledBackByPerson")
        );
        assert_eq!(closed.message, "release 3 has the content of release 1 again");
        assert_eq!(third.rollout.good.unwrap().release, 1, "not the one that was taken back");
    }

    #[test]
    fn the_order_is_by_what_can_mix() {
        let first = succeeded(begun(None, 1, Cause::Apply, 0).rollout);
        let second = begun(Some(&first), 2, Cause::Apply, 1000).rollout;
        let moved = Rollout { frontends_moved: true, ..second.clone() };
        let order = |before: Option<&Rollout>, cause| begun(before, 3, cause, 2000).rollout.order;
        for (what, before, cause, expected) in [
            ("nothing was there before", None, Cause::Apply, Order::Together),
            ("forward", Some(&first), Cause::Apply, Order::FrontendsLast),
            (
                "back, once frontends have moved",
                Some(&moved),
                Cause::Rollback(1),
                Order::FrontendsFirst,
            ),
            ("back before they did", Some(&second), Cause::Rollback(1), Order::Together),
        ] {
            assert_eq!(order(before, cause), expected, "{what}");
        }
    }
}
