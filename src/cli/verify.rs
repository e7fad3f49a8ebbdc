//! `trueup promote --verify`: asks once more how a release does where it is, and whether it may go on. Nothing is
//! changed.

use super::out::say;
use super::show::{age, table};
use super::{CliError, Connected};
use crate::engine::release::{MoveError, Promoting, Soak, plan_promotion, soak};
use crate::engine::rollout::has_frontend;
use crate::kinds::environment::EnvironmentSpec;
use crate::model::Object;
use crate::signals::{self, AlarmState, Answer, Call, CallTarget, Failure, Question};

/// One thing that was asked.
struct Verified {
    what: String,
    /// How it is, or what is wrong.
    result: Result<String, String>,
}

pub(super) async fn run(connected: &Connected, asked: &Promoting<'_>) -> Result<(), CliError> {
    let mut all = vec![soaked(connected, asked).await?];
    all.extend(signals(connected, asked.from).await?);
    all.push(may_move(connected, asked).await?);
    let rows = all.iter().map(|verified| {
        let (word, detail) = match &verified.result {
            Ok(detail) => ("ok", detail),
            Err(why) => ("FAILED", why),
        };
        vec![verified.what.clone(), word.to_owned(), detail.clone()]
    });
    say!("{}", table(&["CHECK", "RESULT", "DETAIL"], rows.collect()));
    match all.iter().filter(|verified| verified.result.is_err()).count() {
        0 => Ok(()),
        failed => Err(CliError::refused(format!("{failed} of {} checks failed", all.len()))),
    }
}

/// The release has succeeded, and has been well since for as long as the other environment asks for.
async fn soaked(connected: &Connected, asked: &Promoting<'_>) -> Result<Verified, CliError> {
    let Connected { store, .. } = connected;
    let (from, now) = (asked.from, store.clock().now());
    let head = store.existing_head(from).await?;
    let release = store.current(&head).await?;
    let rollout = store.rollout(from, release.number).await?;
    let statuses = store.statuses(from).await?;
    let theirs = spec_of(connected, asked.to).await?.0;
    let wanted = theirs.promotion.as_ref().map(|promotion| promotion.soak()).unwrap_or_default();
    let status_of = |id: &_| statuses.get(id).and_then(|status| status.as_ref().ok());
    let result = match soak(rollout.as_ref(), &release.objects, status_of, wanted, now) {
        Soak::Over { since } => Ok(format!("well for {}", age(since, now))),
        Soak::Until(end) => Err(format!("not well for long enough before {end}")),
        Soak::Unwell(id) => Err(format!("{id} is not Ready")),
        Soak::NotOver(verdict) => Err(format!("it is {verdict}, and not over")),
    };
    Ok(Verified { what: format!("{from} release {}", release.number), result })
}

/// An environment's spec, and the calls that its current release has to leave well.
async fn spec_of(
    connected: &Connected,
    environment: &str,
) -> Result<(EnvironmentSpec, Vec<Call>), CliError> {
    connected.store.existing_head(environment).await?;
    let current = connected.current(environment).await?;
    let commit = current.release.map(|release| release.commit).unwrap_or_default();
    let spec = crate::engine::release::spec_of(&current.objects);
    let none = || CliError::refused(format!("{environment} has no Environment that can be read"));
    let spec = spec.ok_or_else(none)?;
    let ids: Vec<_> = current.objects.iter().map(Object::id).collect();
    let checks = spec.checks(&commit, has_frontend(ids.iter()));
    Ok((spec, checks))
}

/// What the environment watches, asked from here.
async fn signals(connected: &Connected, environment: &str) -> Result<Vec<Verified>, CliError> {
    let (spec, checks) = spec_of(connected, environment).await?;
    let alarms = spec.alarms();
    if alarms.is_empty() && checks.is_empty() {
        return Ok(Vec::new());
    }
    let session = connected.sessions.get_in_account(&spec.target()).await?;
    let mut all = Vec::new();
    if !alarms.is_empty() {
        match signals::ask(&session, &Question::Alarms(alarms.to_vec())).await {
            Ok(Answer::Alarms(states)) => all.extend(states.into_iter().map(|alarm| Verified {
                what: format!("alarm {}", alarm.name),
                result: match alarm.state {
                    AlarmState::Ok => Ok("OK".to_owned()),
                    AlarmState::InsufficientData => Ok("too few data to tell".to_owned()),
                    AlarmState::InAlarm { since, why } => {
                        Err(format!("in alarm since {since}: {why}"))
                    }
                    AlarmState::Unreadable(why) if spec.waits_for_alarms() => Err(why),
                    AlarmState::Unreadable(why) => Ok(format!("passed over: {why}")),
                },
            })),
            Ok(_) => {}
            Err(why) => all.push(failed("the alarms".to_owned(), &why)),
        }
    }
    for check in checks {
        let CallTarget::Page { url, .. } = &check.target else { continue };
        let what = url.clone();
        all.push(match signals::ask(&session, &Question::Call(check)).await {
            Ok(_) => Verified { what, result: Ok("answers as expected".to_owned()) },
            Err(Failure::Unreached(why)) => {
                Verified { what, result: Ok(format!("passed over: {why}")) }
            }
            Err(why) => failed(what, &why),
        });
    }
    Ok(all)
}

fn failed(what: String, why: &Failure) -> Verified {
    Verified { what, result: Err(why.to_string()) }
}

/// Nothing is against it where it would go.
async fn may_move(connected: &Connected, asked: &Promoting<'_>) -> Result<Verified, CliError> {
    let what = format!("goes on to {}", asked.to);
    let result = match plan_promotion(&connected.store, asked).await {
        Ok(planned) if planned.is_done() => Ok("it has all of it already".to_owned()),
        Ok(planned) => Ok(format!("{} objects would change", planned.promotion.changed.len())),
        Err(MoveError::Refused(why)) => Err(why.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(Verified { what, result })
}
