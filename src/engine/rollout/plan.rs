//! What becomes of a rollout.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::arrivals::note_arrivals;
use super::progress::{ObjectState, Progress};
use super::signals::{
    Signals, done_without, end_is_in_doubt, end_is_passed, failed as failed_by_signals, has_end,
    longest_answer, note_evidence, unknown,
};
use super::told::{ended_or_moved, left_out, named, tell};
use super::{Ask, asks, later, shift};
use crate::model::ObjectId;
use crate::signals::Call;
use crate::store::{
    Cause, Decision, DecisionRequest, EventKind, Order, Passed, Rollout, Shift, Stage, Verdict,
};

/// The reason of a failure that a person asked for.
pub(super) const ABORTED: &str = "Aborted";
/// The reason of a failure after which no earlier release could be made current again.
pub(super) const ROLLBACK_REFUSED: &str = "RollbackRefused";
/// The reason while a person has to say what becomes of a version that somebody else gave all requests.
const SHIFTED_BY_HAND: &str = "ShiftedByHand";
/// The reason while a release is tried again.
const RETRIED: &str = "Retried";
/// The reasons of what was found out about a release, beside the state of its objects.
pub(super) const FOUND_OUT: [&str; 9] = [
    "AlarmBreached",
    "AnalysisUndecided",
    "CheckFailed",
    "ChecksOpen",
    "HookFailed",
    "NewVersionWorse",
    "ProbeFailed",
    SHIFTED_BY_HAND,
    "SignalsUnreadable",
];
/// After a retry objects have their next pass within this time: until then they say what was before.
const RETRIED_WITHIN: Duration = Duration::from_secs(60);
/// How long a rollback waits for its frontends before the functions go back, too: what failed serves meanwhile.
const FRONTENDS_BACK_WITHIN: Duration = Duration::from_secs(300);

/// What an environment says of its rollouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long objects may take to become ready.
    pub progress_deadline: Duration,
    /// How long a release that succeeded is watched.
    pub bake_time: Duration,
    /// What fails is rolled back without a person.
    pub rolls_back: bool,
}

/// What a plan is made from, beside the rollout itself.
#[expect(missing_docs, reason = "their types and the rest say what they are")]
pub struct Seen<'a> {
    pub environment: &'a str,
    pub policy: Policy,
    pub watched: &'a Watched,
    /// What was found out of what it asks for.
    pub signals: &'a Signals,
    pub objects: &'a [ObjectState],
    /// Nothing is written to the environment.
    pub is_suspended: bool,
    /// What a person said last.
    pub decision: Option<&'a DecisionRequest>,
    /// Why the rollback that was planned was refused.
    pub refused: Option<&'a str>,
}

/// What an environment watches, beside its objects.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "CloudWatch names of alarms, and calls that have to be answered")]
pub struct Watched {
    pub alarms: Vec<String>,
    /// A release waits while one cannot be read.
    pub waits_for_alarms: bool,
    pub checks: Vec<Call>,
}

#[cfg(test)]
impl Policy {
    /// A quarter of an hour, five minutes, and back by itself.
    pub const SAMPLE: Self = Self {
        progress_deadline: Duration::from_secs(900),
        bake_time: Duration::from_secs(300),
        rolls_back: true,
    };
}

#[cfg(test)]
impl<'a> Seen<'a> {
    /// Nothing but objects is watched.
    pub fn sample(policy: Policy, objects: &'a [ObjectState]) -> Self {
        static WATCHED: Watched =
            Watched { alarms: Vec::new(), waits_for_alarms: false, checks: Vec::new() };
        static SIGNALS: Signals = Signals::NONE;
        Self {
            environment: "shop",
            policy,
            watched: &WATCHED,
            signals: &SIGNALS,
            objects,
            is_suspended: false,
            decision: None,
            refused: None,
        }
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the words of an event, and the number of a release")]
pub enum Action {
    /// The rollout becomes this.
    Become(Box<Rollout>),
    Tell {
        /// Which it is about.
        release: u64,
        kind: EventKind,
        reason: &'static str,
        message: String,
    },
    /// An earlier release is made current again, and the content of this one is quarantined.
    RollBack { to: u64 },
}

/// What is to be done about a rollout now; nothing where it stays as it is.
pub fn plan(before: &Rollout, seen: &Seen<'_>, now: Timestamp) -> Vec<Action> {
    let mut rollout = before.clone();
    let asks = asks(before, seen, now);
    note_arrivals(&mut rollout, seen.objects, now);
    note_evidence(&mut rollout, seen, &asks);
    let mut actions = Vec::new();
    if let Some(request) = new_decision(before, seen) {
        rollout.answered_at = Some(request.at);
        decide(&mut rollout, request, seen, now);
    } else {
        advance(&mut rollout, seen, &asks, now);
        actions.extend(shift_traffic(&mut rollout, seen, &asks, now));
    }
    if rollout.stage() != before.stage() {
        actions.extend(ended_or_moved(&rollout));
    }
    if rollout != *before {
        actions.insert(0, Action::Become(Box::new(rollout)));
    } else if let (Stage::RollingBack { to }, None) = (before.stage(), seen.refused) {
        // Only once it is recorded that it failed. The head moves once, however often it is asked.
        actions.push(Action::RollBack { to });
    }
    actions
}

/// Gives new versions that are ready their next part of the requests. While they get it, the deadline waits.
fn shift_traffic(
    rollout: &mut Rollout,
    seen: &Seen<'_>,
    asks: &[Ask],
    now: Timestamp,
) -> Vec<Action> {
    if !matches!(rollout.stage(), Stage::First | Stage::Second) {
        return Vec::new();
    }
    let mut told = Vec::new();
    if !rollout.shifts.is_empty() {
        let is_ready = |object: &&ObjectState| object.progress == Progress::Ready;
        let ready: BTreeSet<&ObjectId> =
            seen.objects.iter().filter(is_ready).map(|object| &object.id).collect();
        // A shift that is over is not kept, but for its hook: a record holds only so many.
        let has_hook = |shift: &Shift| {
            let object = seen.objects.iter().find(|object| shift.is_of(&object.id));
            object.is_some_and(|object| object.shifting.after_traffic.is_some())
        };
        rollout.shifts.retain(|shift| !ready.contains(&shift.id()) || has_hook(shift));
    }
    let is_shifted = |o: &&ObjectState| o.next_version.is_some() && o.shifting.is_gradual();
    for object in seen.objects.iter().filter(is_shifted) {
        let shifted = shift::advance(rollout, object, seen, asks, now);
        if let shift::Shifted::Undecided(why) = shifted {
            stop(rollout, "AnalysisUndecided", why, now);
            break;
        }
        let shift = rollout.shifts.iter().find(|shift| shift.is_of(&object.id));
        let end = later(later(now, longest_step(object, shift)), seen.policy.progress_deadline);
        if shift.is_some() && shifted != shift::Shifted::Nothing {
            rollout.deadline = rollout.deadline.max(end);
        }
        let shift::Shifted::To { weight, version, unread } = shifted else { continue };
        let id = &object.id;
        let unread = unread.map(|why| format!("; how it does cannot be seen: {why}"));
        let message = format!(
            "release {}: {weight} % of the requests of {id} go to version {version}{}",
            rollout.release,
            unread.unwrap_or_default()
        );
        told.push(tell(rollout.release, EventKind::Normal, "TrafficShifted", message));
    }
    told
}

/// How long a step may last.
fn longest_step(object: &ObjectState, shift: Option<&Shift>) -> Duration {
    let Some(step) = shift.and_then(|shift| object.shifting.steps.get(shift.step)) else {
        return Duration::ZERO;
    };
    let analysis = &object.shifting.analysis;
    if analysis.is_required { step.pause.max(analysis.max_duration) } else { step.pause }
}

fn new_decision<'a>(rollout: &Rollout, seen: &Seen<'a>) -> Option<&'a DecisionRequest> {
    let is_new = |request: &&DecisionRequest| {
        request.release == rollout.release && rollout.answered_at != Some(request.at)
    };
    seen.decision.filter(is_new)
}

fn decide(rollout: &mut Rollout, request: &DecisionRequest, seen: &Seen<'_>, now: Timestamp) {
    let author = if request.author.is_empty() { "somebody" } else { &request.author };
    let who = match request.message.as_str() {
        "" => author.to_owned(),
        why => format!("{author}: {why}"),
    };
    match (request.decision, rollout.stage()) {
        (_, Stage::Over | Stage::RollingBack { .. }) => {}
        (Decision::Abort, _) => {
            let message = format!("aborted by {who}");
            // A person asked for it, whatever the policy is.
            let policy = Policy { rolls_back: true, ..seen.policy };
            fail(rollout, ABORTED, message, policy, now);
        }
        (Decision::Promote, Stage::Waiting | Stage::First | Stage::Second | Stage::Checking) => {
            // A person has looked: what fails already would end the bake time at once.
            let unwatched = Policy { bake_time: Duration::ZERO, ..seen.policy };
            succeed(rollout, "Promoted", format!("promoted by {who}"), unwatched, now);
        }
        (Decision::Retry, Stage::Waiting) => {
            rollout.verdict = Verdict::Progressing;
            rollout.reason = RETRIED.to_owned();
            rollout.message = format!("retried by {who}");
            rollout.deadline = later(now, seen.policy.progress_deadline);
            // What a version has shown so far was not enough: it shows it once more.
            for shift in &mut rollout.shifts {
                (shift.since, shift.first_at) = (None, None);
                (shift.errors, shift.slow) = (None, None);
            }
            enter(rollout, Stage::First, now);
        }
        (Decision::Promote | Decision::Retry, _) => {}
    }
}

/// What there is to see for the rollout's present stage.
struct Sight<'a> {
    seen: &'a Seen<'a>,
    asks: &'a [Ask],
    now: Timestamp,
    /// When the stage began.
    since: Timestamp,
    /// The deadline is over.
    is_late: bool,
    /// A person has just had it tried again: what had failed is not looked at yet.
    is_retried: bool,
    failed: Vec<&'a ObjectState>,
    all_ready: bool,
    /// What moves before the second stage is.
    first_is_ready: bool,
}

impl<'a> Sight<'a> {
    fn of(rollout: &Rollout, seen: &'a Seen<'a>, asks: &'a [Ask], now: Timestamp) -> Self {
        let is_late = now >= later(rollout.deadline, longest_answer(asks));
        // What a stage before did without is not waited for again.
        let stage = rollout.stage();
        let is_missed = |object: &ObjectState| match stage {
            Stage::Checking => true,
            Stage::Second => is_late || !object.is_second,
            _ => is_late,
        };
        let counted =
            || seen.objects.iter().filter(|object| !object.is_left_out(is_missed(object)));
        let since = rollout.stages.last().map_or(now, |passed| passed.since);
        let is_retried = rollout.reason == RETRIED && now < later(since, RETRIED_WITHIN);
        let has_failed =
            |o: &&ObjectState| matches!(o.progress, Progress::Failed(_)) && !is_retried;
        let is_ready = |o: &ObjectState| o.progress == Progress::Ready;
        Self {
            seen,
            asks,
            now,
            since,
            is_late,
            is_retried,
            failed: counted().filter(has_failed).collect(),
            all_ready: counted().all(is_ready),
            first_is_ready: counted().all(|object| object.is_second || is_ready(object)),
        }
    }

    /// The deadline of a stage that begins now.
    fn new_deadline(&self) -> Timestamp {
        later(self.now, self.seen.policy.progress_deadline)
    }
}

/// Moves on from the present stage, where what is seen is enough for it.
fn advance(rollout: &mut Rollout, seen: &Seen<'_>, asks: &[Ask], now: Timestamp) {
    if let Some((reason, message)) = failed_by_signals(rollout, seen, asks) {
        return fail(rollout, reason, message, seen.policy, now);
    }
    let sight = Sight::of(rollout, seen, asks, now);
    match rollout.stage() {
        Stage::First | Stage::Second => until_ready(rollout, &sight),
        Stage::Checking => until_checked(rollout, &sight),
        Stage::Baking => until_baked(rollout, &sight),
        Stage::RollingBack { .. } => until_the_head_has_moved(rollout, &sight),
        Stage::Waiting => until_it_recovers(rollout, &sight),
        Stage::Over => {}
    }
}

/// A half of the release is made as it declares. Then the other half follows, or its checks, or it has succeeded.
fn until_ready(rollout: &mut Rollout, sight: &Sight<'_>) {
    let Sight { seen, now, .. } = *sight;
    if let Some(why) = shifted_by_hand(rollout, seen) {
        return stop(rollout, SHIFTED_BY_HAND, why, now);
    }
    let is_first = rollout.stage() == Stage::First;
    let has_waited = !sight.failed.is_empty() || now >= later(sight.since, FRONTENDS_BACK_WITHIN);
    if is_first && rollout.order == Order::FrontendsFirst && !sight.all_ready && has_waited {
        // Frontends that do not come back do not keep the functions from it.
        enter(rollout, Stage::Second, now);
    } else if !sight.failed.is_empty() {
        fail(rollout, "ObjectFailed", named(&sight.failed), seen.policy, now);
    } else if sight.all_ready && has_end(rollout, seen) {
        rollout.deadline = sight.new_deadline();
        enter(rollout, Stage::Checking, now);
    } else if sight.all_ready {
        succeed(rollout, "Ready", left_out(seen.objects), seen.policy, now);
    } else if is_first && sight.first_is_ready {
        if sight.is_late {
            // The others waited for what is done without.
            rollout.deadline = sight.new_deadline();
        }
        enter(rollout, Stage::Second, now);
    } else if !sight.is_retried {
        wait_or_give_up(rollout, seen, sight.asks, now);
    }
}

/// A version that has all requests, of which it was given a part.
fn shifted_by_hand(rollout: &Rollout, seen: &Seen<'_>) -> Option<String> {
    let shifted = rollout.shifts.iter().find_map(|shift| {
        let object = seen.objects.iter().find(|object| shift.is_of(&object.id))?;
        let is_ready = object.progress == Progress::Ready && object.next_version.is_none();
        let step = object.shifting.steps.get(shift.step).filter(|_| is_ready)?;
        Some((object, shift, step.weight))
    });
    let (object, shift, weight) = shifted?;
    Some(format!(
        "somebody gave version {} of {} all requests, of which it had {weight} % to show that it works",
        shift.version, object.id
    ))
}

/// Everything is ready, and its checks are made. Then it has succeeded.
fn until_checked(rollout: &mut Rollout, sight: &Sight<'_>) {
    let Sight { seen, asks, now, .. } = *sight;
    if !sight.failed.is_empty() {
        fail(rollout, "ObjectFailed", named(&sight.failed), seen.policy, now);
    } else if sight.all_ready && end_is_passed(rollout, seen, asks, now) {
        let without = [left_out(seen.objects), done_without(seen, asks)];
        let without: Vec<_> = without.into_iter().filter(|said| !said.is_empty()).collect();
        succeed(rollout, "Ready", without.join("; "), seen.policy, now);
    } else {
        wait_or_give_up(rollout, seen, asks, now);
    }
}

/// It succeeded, and is watched for the bake time. Then it is over.
fn until_baked(rollout: &mut Rollout, sight: &Sight<'_>) {
    let Sight { seen, now, .. } = *sight;
    // What this release did not change fails for other reasons than its content.
    let changed: Vec<_> = sight.failed.iter().copied().filter(|o| o.is_changed).collect();
    if !changed.is_empty() {
        fail(rollout, "FailedWhileBaking", named(&changed), seen.policy, now);
    } else if now >= later(sight.since, seen.policy.bake_time) && !end_is_in_doubt(seen, sight.asks)
    {
        enter(rollout, Stage::Over, now);
    }
}

/// Another release becomes current. Where that is refused, a person decides.
fn until_the_head_has_moved(rollout: &mut Rollout, sight: &Sight<'_>) {
    let Some(refused) = sight.seen.refused else { return };
    rollout.message = format!("{}; it was not rolled back: {refused}", rollout.message);
    // What was found out, or that a person wanted its end, stays the reason: it is no success afterwards.
    if rollout.reason != ABORTED && !FOUND_OUT.contains(&rollout.reason.as_str()) {
        rollout.reason = ROLLBACK_REFUSED.to_owned();
    }
    enter(rollout, Stage::Waiting, sight.now);
}

/// A person decides, without a limit, unless what was missing comes after all.
fn until_it_recovers(rollout: &mut Rollout, sight: &Sight<'_>) {
    let Sight { seen, now, .. } = *sight;
    if rollout.reason == ABORTED || FOUND_OUT.contains(&rollout.reason.as_str()) {
        // A person wanted its end; or what was seen of it is no accident, or was never seen.
        return;
    }
    if sight.all_ready && has_end(rollout, seen) {
        go_on(rollout, Stage::Checking, sight);
    } else if sight.all_ready {
        let message = "its objects became ready after all".to_owned();
        succeed(rollout, "Recovered", message, seen.policy, now);
    } else if !rollout.second_open && sight.first_is_ready {
        // What it waited for came: the other half may follow.
        go_on(rollout, Stage::Second, sight);
    }
}

/// It is on its way again.
fn go_on(rollout: &mut Rollout, stage: Stage, sight: &Sight<'_>) {
    rollout.verdict = Verdict::Progressing;
    rollout.reason = "Progressing".to_owned();
    rollout.message.clear();
    rollout.deadline = sight.new_deadline();
    enter(rollout, stage, sight.now);
}

/// How the message begins of a release whose signals cannot be read.
const NOT_ANSWERED: &str = "not answered yet: ";

/// Not everything is ready: that is all right until the deadline, and for a person to know.
fn wait_or_give_up(rollout: &mut Rollout, seen: &Seen<'_>, asks: &[Ask], now: Timestamp) {
    let is_open = |o: &&ObjectState| !o.is_left_out(false) && o.progress != Progress::Ready;
    let open: Vec<_> = seen.objects.iter().filter(is_open).collect();
    let is_asking = |o: &&ObjectState| matches!(o.progress, Progress::Asks(_)) && !o.is_optional;
    let asking: Vec<_> = open.iter().copied().filter(is_asking).collect();
    if !asking.is_empty() {
        return stop(rollout, "ConfirmationNeeded", named(&asking), now);
    }
    let is_restoring = open.iter().any(|object| object.is_restoring);
    let unknown = unknown(seen, asks);
    if is_restoring || now < later(rollout.deadline, longest_answer(asks)) {
        // A hook that nobody reaches is not found out about at the deadline only.
        if !unknown.is_empty() {
            rollout.message = format!("{NOT_ANSWERED}{}", unknown.join("; "));
        } else if rollout.message.starts_with(NOT_ANSWERED) {
            rollout.message.clear();
        }
        return;
    }
    let open: Vec<_> = open.into_iter().filter(|object| !object.is_left_out(true)).collect();
    if !unknown.is_empty() {
        return stop(rollout, "SignalsUnreadable", unknown.join("; "), now);
    }
    if open.is_empty() {
        let seconds = seen.policy.progress_deadline.as_secs();
        let message = format!("its checks did not pass within {seconds} s");
        return stop(rollout, "ChecksOpen", message, now);
    }
    let is_held =
        seen.is_suspended || open.iter().any(|o| matches!(o.progress, Progress::HeldBack(_)));
    let is_unknown = open.iter().any(|o| matches!(o.progress, Progress::Unknown(_)));
    match (is_held, is_unknown) {
        (true, _) => stop(rollout, "HeldBack", named(&open), now),
        // During an outage nobody can tell, and going back would not be seen either.
        (_, true) => stop(rollout, "NotObserved", named(&open), now),
        _ => {
            let seconds = seen.policy.progress_deadline.as_secs();
            let message = format!("not ready within {seconds} s: {}", named(&open));
            fail(rollout, "DeadlineExceeded", message, seen.policy, now);
        }
    }
}

/// Nobody can tell: a person decides.
fn stop(rollout: &mut Rollout, reason: &str, message: String, now: Timestamp) {
    rollout.verdict = Verdict::Inconclusive;
    rollout.reason = reason.to_owned();
    rollout.message = message;
    enter(rollout, Stage::Waiting, now);
}

fn succeed(rollout: &mut Rollout, reason: &str, message: String, policy: Policy, now: Timestamp) {
    rollout.verdict = Verdict::Succeeded;
    rollout.reason = reason.to_owned();
    rollout.message = message;
    let next = if policy.bake_time.is_zero() { Stage::Over } else { Stage::Baking };
    enter(rollout, next, now);
}

fn fail(rollout: &mut Rollout, reason: &str, message: String, policy: Policy, now: Timestamp) {
    rollout.verdict = Verdict::Failed;
    rollout.reason = reason.to_owned();
    rollout.message = message;
    // A person who deletes wants it gone, and a rollback that fails is not followed by another.
    let may_go_back = rollout.cause == Cause::Apply || reason == ABORTED;
    let back = rollout.good.clone().filter(|good| good.digest != rollout.digest);
    let next = match back {
        Some(good) if policy.rolls_back && may_go_back => Stage::RollingBack { to: good.release },
        _ => Stage::Waiting,
    };
    enter(rollout, next, now);
}

pub(super) fn enter(rollout: &mut Rollout, stage: Stage, now: Timestamp) {
    if rollout.stage() == stage {
        return;
    }
    if let Some(last) = rollout.stages.last_mut() {
        last.until = Some(now);
    }
    if matches!(stage, Stage::Second | Stage::Checking | Stage::Baking | Stage::Over) {
        rollout.second_open = true;
    }
    rollout.frontends_moved |= rollout.second_open && rollout.order == Order::FrontendsLast;
    rollout.stages.push(Passed { stage, since: now, until: None });
    // A person may retry for ever; the first stage says when it began.
    if rollout.stages.len() > STAGES_MAX {
        rollout.stages.remove(1);
    }
}

/// Stages that a record keeps.
const STAGES_MAX: usize = 50;

/// Remembers which objects of the release became ready, and when.
#[cfg(test)]
mod tests {
    use super::super::begin::begin;
    use super::*;
    use crate::signals::{Alarm, AlarmState, Answer, CallTarget, Expected, Failure, Reach};
    use crate::store::Release;

    const POLICY: Policy = Policy::SAMPLE;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready() -> Vec<ObjectState> {
        vec![
            ObjectState::sample("Function/api", Progress::Ready),
            ObjectState::sample("Frontend/web", Progress::Ready),
        ]
    }

    fn seen(objects: &[ObjectState]) -> Seen<'_> {
        Seen::sample(POLICY, objects)
    }

    /// Release 1, which has succeeded, and release 2 after it.
    fn second_release() -> Rollout {
        let first = begin(None, &Release::sample(1, "a", Cause::Apply), POLICY, at(0)).rollout;
        let objects = ready();
        let first = after(&first, &seen(&objects), 10);
        let first = after(&first, &seen(&objects), 400);
        assert_eq!((first.verdict, first.stage()), (Verdict::Succeeded, Stage::Over));
        begin(Some(&first), &Release::sample(2, "b", Cause::Apply), POLICY, at(1000)).rollout
    }

    fn after(rollout: &Rollout, seen: &Seen<'_>, second: i64) -> Rollout {
        match plan(rollout, seen, at(second)).into_iter().next() {
            Some(Action::Become(rollout)) => *rollout,
            _ => rollout.clone(),
        }
    }

    fn outline(rollout: &Rollout) -> String {
        let Rollout { verdict, reason, message, .. } = rollout;
        format!("{verdict} {} {reason} {message}", rollout.stage().as_str()).trim_end().to_owned()
    }

    #[test]
    fn a_release_succeeds_fails_or_waits_by_what_its_objects_do() {
        use Progress::*;
        let text = || "why".to_owned();
        let api = |progress| vec![ObjectState::sample("Function/api", progress)];
        for (objects, second, expected) in [
            (ready(), 1001, "Succeeded Baking Ready"),
            (api(Waiting(text())), 1001, "Progressing First Progressing"),
            (
                api(Waiting(text())),
                1900,
                "Failed RollingBack DeadlineExceeded not ready within 900 s: Function/api: why",
            ),
            (api(Failed(text())), 1001, "Failed RollingBack ObjectFailed Function/api: why"),
            (api(Asks(text())), 1001, "Inconclusive Waiting ConfirmationNeeded Function/api: why"),
            (api(Unknown(text())), 1001, "Progressing First Progressing"),
            (api(Unknown(text())), 1900, "Inconclusive Waiting NotObserved Function/api: why"),
            (api(HeldBack(text())), 1900, "Inconclusive Waiting HeldBack Function/api: why"),
            (
                vec![
                    ObjectState::sample("Function/api", Ready),
                    ObjectState::sample("Frontend/web", Waiting(text())),
                ],
                1001,
                "Progressing Second Progressing",
            ),
        ] {
            let ended = after(&second_release(), &seen(&objects), second);
            assert_eq!(outline(&ended), expected, "{objects:?} at {second}");
        }
    }

    #[test]
    fn what_was_not_ready_before_fails_no_release_and_is_named() {
        let mut objects = ready();
        objects.push(ObjectState {
            is_changed: false,
            was_unwell: true,
            ..ObjectState::sample("Table/orders", Progress::Failed("denied".to_owned()))
        });
        let ended = after(&second_release(), &seen(&objects), 1001);
        assert_eq!(
            outline(&ended),
            "Succeeded Baking Ready not counted, as it was so before: Table/orders: denied"
        );
    }

    #[test]
    fn what_failed_is_rolled_back_once_that_is_recorded_and_a_rollback_never_is() {
        let broken = [ObjectState::sample("Function/api", Progress::Failed("broken".to_owned()))];
        let failed = after(&second_release(), &seen(&broken), 1010);
        assert_eq!(plan(&failed, &seen(&broken), at(1011)), [Action::RollBack { to: 1 }]);
        let back =
            begin(Some(&failed), &Release::sample(3, "a", Cause::Rollback(1)), POLICY, at(1012));
        assert_eq!(
            outline(&back.closed.unwrap()),
            "RolledBack Over ObjectFailed Function/api: broken; release 3 has the content of release 1 again"
        );
        // No frontend had moved, so the functions need not wait for any.
        assert_eq!(back.rollout.order, Order::Together);
        let stuck = after(&back.rollout, &seen(&broken), 1020);
        assert_eq!(outline(&stuck), "Failed Waiting ObjectFailed Function/api: broken");
        assert_eq!(plan(&stuck, &seen(&broken), at(1021)), []);
        let objects = ready();
        let mended = after(&stuck, &seen(&objects), 1030);
        assert_eq!(mended.verdict, Verdict::Succeeded);
    }

    #[test]
    fn frontends_move_last_and_go_back_first() {
        let half = [
            ObjectState::sample("Function/api", Progress::Ready),
            ObjectState::sample("Frontend/web", Progress::Waiting("gated".to_owned())),
        ];
        let forward = second_release();
        assert_eq!((forward.order, forward.second_open), (Order::FrontendsLast, false));
        let moved = after(&forward, &seen(&half), 1010);
        assert_eq!((moved.stage(), moved.second_open), (Stage::Second, true));
        let broken =
            [ObjectState::sample("Frontend/web", Progress::Failed("the build failed".to_owned()))];
        let failed = after(&moved, &seen(&broken), 1020);
        let rollback = Release::sample(3, "a", Cause::Rollback(1));
        let back = begin(Some(&failed), &rollback, POLICY, at(1030)).rollout;
        assert_eq!((back.order, back.second_open), (Order::FrontendsFirst, false));
    }

    #[test]
    fn a_rollback_does_not_wait_for_frontends_that_do_not_come_back() {
        let web = |progress| {
            [ObjectState { is_second: false, ..ObjectState::sample("Frontend/web", progress) }]
        };
        let half = web(Progress::Waiting("it builds".to_owned()));
        let broken = web(Progress::Failed("the build failed".to_owned()));
        let moved = after(&second_release(), &seen(&ready()), 1010);
        let rollback = Release::sample(3, "a", Cause::Rollback(1));
        let back = begin(Some(&moved), &rollback, POLICY, at(1030)).rollout;
        assert_eq!((back.order, back.second_open), (Order::FrontendsFirst, false));
        assert!(!after(&back, &seen(&half), 1040).second_open);
        assert!(after(&back, &seen(&half), 1330).second_open, "it takes too long");
        assert!(after(&back, &seen(&broken), 1040).second_open, "it failed");
    }

    #[test]
    fn a_retry_waits_for_the_next_pass_of_what_had_failed() {
        let broken = [ObjectState::sample("Function/api", Progress::Failed("denied".to_owned()))];
        let first = begin(None, &Release::sample(1, "a", Cause::Apply), POLICY, at(0)).rollout;
        let failed = after(&first, &seen(&broken), 5);
        let (author, message) = ("ada".to_owned(), String::new());
        let decision = Decision::Retry;
        let request = DecisionRequest { release: 1, decision, at: at(10), author, message };
        let asked = Seen { decision: Some(&request), ..seen(&broken) };
        let retried = after(&failed, &asked, 11);
        assert_eq!((retried.verdict, retried.stage()), (Verdict::Progressing, Stage::First));
        assert_eq!(after(&retried, &asked, 40).verdict, Verdict::Progressing);
        assert_eq!(after(&retried, &asked, 80).verdict, Verdict::Failed, "it failed again");
    }

    #[test]
    fn nothing_is_rolled_back_where_nothing_succeeded_before_or_a_person_does_it() {
        let broken = [ObjectState::sample("Function/api", Progress::Failed("broken".to_owned()))];
        let first = begin(None, &Release::sample(1, "a", Cause::Apply), POLICY, at(0)).rollout;
        assert_eq!(after(&first, &seen(&broken), 5).stage(), Stage::Waiting);
        let by_hand = Policy { rolls_back: false, ..POLICY };
        let seen = Seen { policy: by_hand, ..seen(&broken) };
        assert_eq!(after(&second_release(), &seen, 1010).stage(), Stage::Waiting);
    }

    #[test]
    fn a_success_is_watched_for_the_bake_time() {
        let objects = ready();
        let baking = after(&second_release(), &seen(&objects), 1010);
        let broken = [ObjectState::sample("Function/api", Progress::Failed("broken".to_owned()))];
        let failed = after(&baking, &seen(&broken), 1100);
        assert_eq!(outline(&failed), "Failed RollingBack FailedWhileBaking Function/api: broken");
        let over = after(&baking, &seen(&objects), 1310);
        assert_eq!((over.verdict, over.stage()), (Verdict::Succeeded, Stage::Over));
        assert_eq!(plan(&over, &seen(&broken), at(1320)), []);
    }

    #[test]
    fn a_person_decides_what_nobody_can_tell() {
        let asks =
            [ObjectState::sample("Table/orders", Progress::Asks("an index goes".to_owned()))];
        let waiting = after(&second_release(), &seen(&asks), 1010);
        for (decision, expected) in [
            (Decision::Promote, "Succeeded Over Promoted promoted by ada: I looked"),
            (Decision::Retry, "Progressing First Retried retried by ada: I looked"),
            (Decision::Abort, "Failed RollingBack Aborted aborted by ada: I looked"),
        ] {
            let (author, message) = ("ada".to_owned(), "I looked".to_owned());
            let request = DecisionRequest { release: 2, decision, at: at(1020), author, message };
            let seen = Seen { decision: Some(&request), ..seen(&asks) };
            let decided = after(&waiting, &seen, 1021);
            assert_eq!(outline(&decided), expected);
            // It is taken once.
            let again = after(&decided, &seen, 1022);
            assert_eq!(again.stages.len(), decided.stages.len(), "{again:?}");
            let other = DecisionRequest { release: 1, ..request.clone() };
            let seen = Seen { decision: Some(&other), ..seen };
            assert_eq!(after(&waiting, &seen, 1021), waiting, "it is of another release");
        }
    }

    #[test]
    fn a_release_has_not_succeeded_before_its_checks_were_made() {
        let (target, timeout) = (
            CallTarget::Page { url: "https://shop.example.com".to_owned(), body: None },
            Duration::from_secs(10),
        );
        let (expected, reach) = (Expected::default(), Reach::Must);
        let checks = vec![Call { target, expected, timeout, reach }];
        let watched = Watched { checks, ..Watched::default() };
        let (objects, mut signals) = (ready(), Signals::default());
        let unasked = Seen { watched: &watched, ..seen(&objects) };
        let first = after(&second_release(), &unasked, 1010);
        let checking = after(&first, &unasked, 1020);
        assert_eq!((checking.verdict, checking.stage()), (Verdict::Progressing, Stage::Checking));
        assert_eq!(after(&checking, &unasked, 1030).stage(), Stage::Checking);
        let key = asks(&checking, &unasked, at(1030))[0].key.clone();
        signals.hear(key.clone(), at(1030), Err(Failure::Unknown("no way there".to_owned())));
        let unknown = Seen { signals: &signals, ..unasked };
        let waiting = after(&checking, &unknown, 1031);
        assert!(waiting.message.starts_with("not answered yet: "), "{}", waiting.message);
        assert!(waiting.message.ends_with("no way there"), "{}", waiting.message);
        signals.hear(key, at(1040), Ok(Answer::AsExpected));
        let succeeded = after(&waiting, &Seen { signals: &signals, ..unasked }, 1041);
        assert_eq!((succeeded.verdict, succeeded.message.as_str()), (Verdict::Succeeded, ""));
    }

    #[test]
    fn what_was_found_out_stays_so_where_the_rollback_is_refused() {
        let watched = Watched { alarms: vec!["errors".to_owned()], ..Watched::default() };
        let state = AlarmState::InAlarm { since: at(1004), why: String::new() };
        let alarm = Alarm { name: "errors".to_owned(), state };
        let (objects, mut signals) = (ready(), Signals::default());
        signals.hear("alarms".to_owned(), at(1005), Ok(Answer::Alarms(vec![alarm])));
        let seen = Seen { watched: &watched, signals: &signals, ..seen(&objects) };
        let failed = after(&second_release(), &seen, 1006);
        assert_eq!(outline(&failed), "Failed RollingBack AlarmBreached alarm errors went off");
        let refused = Seen { refused: Some("its code is gone"), ..seen };
        let waiting = after(&failed, &refused, 1007);
        assert_eq!(
            outline(&waiting),
            "Failed Waiting AlarmBreached alarm errors went off; it was not rolled back: its code is gone"
        );
        assert_eq!(plan(&waiting, &refused, at(1008)), [], "although everything is ready");
    }
}
