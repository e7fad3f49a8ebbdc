//! What stands against a change of a function: what Lambda would refuse, or what a person has to ask for first.

use serde_json::json;

use crate::kinds::Desired;
use crate::model::Path;
use crate::plan::{Blocked, Change, PartlyBlocked, Plan};

use super::compare::{SHAPE, Settings};
use super::observe::LiveFunction;
use super::permission;
use super::plan::FunctionStep;
use super::shift;
use super::spec::*;

/// A plan without steps that says why changes are not made as the manifest has them.
pub(super) fn obstacle(
    desired: &Desired<FunctionSpec>,
    live: Option<&LiveFunction>,
    settings: &Settings,
    changes: &[Change],
) -> Plan<FunctionStep> {
    let opening = changes.iter().filter(|change| permission::opens(change));
    let mut plan = Plan {
        blocked: live.and_then(|live| shift::ungradual(desired, live, changes)),
        partly_blocked: desired.ask(desired.unasked(opening, &SHAPE)),
        ..Plan::default()
    };
    let of_code = code_is_ignored(desired, changes).filter(|_| live.is_some());
    let of_code = of_code.map(|why| ("architectures", why));
    for (field, why) in incomplete_change(&settings.spec, changes).into_iter().chain(of_code) {
        plan.block_part(PartlyBlocked { paths: vec![Path::default().field(field)], why });
    }
    // A door is not opened to what is only half as declared.
    let opens = |change: &Change| {
        change.path.to_string() == "url.authType" && change.desired == Some(json!("NONE"))
            || change.path.to_string() == "url" && change.live.is_none()
    };
    if let Some(part) = plan.partly_blocked.as_mut().filter(|_| changes.iter().any(opens)) {
        part.paths.push(Path::default().field("url"));
        let implied = permission::IMPLIED.iter();
        let permissions = Path::default().field("permissions");
        part.paths.extend(implied.map(|id| permissions.element(id)));
    }
    plan
}

/// A function's architecture changes only with its code, which is somebody else's here.
fn code_is_ignored(desired: &Desired<FunctionSpec>, changes: &[Change]) -> Option<Blocked> {
    let is_ignored = desired.ignore.iter().any(|path| path.to_string() == "code");
    let changes_in = |root: &str| changes.iter().any(|change| change.path.root() == root);
    let message = "Lambda takes another architecture only together with code, and `ignore` names code: the \
                   declared code would replace the live one. Take code out of `ignore`, or change the \
                   architecture where the code is uploaded";
    let is_stuck = is_ignored && desired.create_begun.is_none() && changes_in("architectures");
    is_stuck.then(|| Blocked { reason: "NotPlannable", message: message.to_owned() })
}

/// A change that cannot be made without what the manifest leaves out or ignores.
fn incomplete_change(spec: &FunctionSpec, changes: &[Change]) -> Vec<(&'static str, Blocked)> {
    let changes_in = |root: &str| changes.iter().any(|change| change.path.root() == root);
    let vpc = spec.vpc.as_ref().filter(|_| changes_in("vpc"));
    let logging = spec.logging.as_ref().filter(|_| changes_in("logging"));
    let vpc = vpc.and_then(half_vpc).map(|why| ("vpc", why));
    let logging = logging.and_then(levels_of_text).map(|why| ("logging", why));
    vpc.into_iter().chain(logging).collect()
}

/// Text logs have no levels:
/// <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>.
fn levels_of_text(logging: &FunctionLogging) -> Option<Blocked> {
    let has_levels = logging.application_log_level.is_some() || logging.system_log_level.is_some();
    if !has_levels || logging.log_format != Some(LogFormat::Text) {
        return None;
    }
    let message = "the function's log format is Text, which has no levels: declare logging.logFormat: JSON, \
                   or take logging.applicationLogLevel and logging.systemLogLevel out of the manifest";
    Some(Blocked { reason: "NotPlannable", message: message.to_owned() })
}

/// Lambda takes subnets and security groups together, or neither:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html>. The VPC is the one that would be
/// written: what is missing here is missing live, too.
fn half_vpc(vpc: &Vpc) -> Option<Blocked> {
    let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let missing = match (has(&vpc.subnet_ids), has(&vpc.security_group_ids)) {
        (true, true) => return None,
        (true, false) => "vpc.securityGroupIds",
        (false, true) => "vpc.subnetIds",
        (false, false) if vpc.ipv6_allowed_for_dual_stack.is_none() => return None,
        (false, false) => "vpc.subnetIds and vpc.securityGroupIds",
    };
    let message = format!(
        "the function is in no VPC, and the manifest says only a part of one: add {missing}, or take the \
         function out of its VPC with `vpc: {{}}`"
    );
    Some(Blocked { reason: "NotPlannable", message })
}
