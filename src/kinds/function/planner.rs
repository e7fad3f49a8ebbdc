//! The order of a function's steps: what closes it first, then what stands alone, then what it is, and at last what opens
//! it. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::compare::Settings;
use super::facets::{ALIAS_DESCRIPTION, ASYNC, FunctionRef, RECURSION, RESERVATION, URL};
use super::observe::{LATEST, LiveFunction};
use super::opening;
use super::permission;
use super::plan::{CODE, CONFIGURATION, FunctionStep};
use super::provisioned::{self, Provisioning};
use super::qualifier::{self, Removals};
use super::shift;
use super::spec::*;
use crate::kinds::{AnyFacet, Desired, push_facets, split_off};
use crate::model::Path;
use crate::plan::{Blocked, Change, Plan, Verb};

/// A plan on its way: what differs goes out of the changes and into steps, in the order in which they are safe.
pub(super) struct Planner<'a> {
    pub desired: &'a Desired<FunctionSpec>,
    pub seen: &'a LiveFunction,
    pub settings: &'a Settings,
    pub effective: &'a Value,
    pub wanted_tags: BTreeMap<String, String>,
    pub provisioning: Option<&'a Provisioning<'a>>,
    /// There is a qualifier already that facets hang on.
    pub hangs_on_something: bool,
    /// Somebody else moves the alias.
    pub keeps_alias: bool,
    pub plan: Plan<FunctionStep>,
    pub changes: Vec<Change>,
    /// Those that wait for the code that they were declared with.
    pub opening: Vec<Change>,
}

impl Planner<'_> {
    /// Everything into steps.
    pub fn plan(mut self, moves: Moves) -> Plan<FunctionStep> {
        let (desired, seen) = (self.desired, self.seen);
        let Moves { moved, back, unwanted } = moves;
        let mut removals = Removals::of(desired, &seen.leftovers);
        self.push_closing(&mut removals, (back, unwanted));
        if self.hangs_on_something {
            self.push_qualified();
        }
        self.push_beside();
        push_settings(&mut self.plan, &mut self.changes, self.settings, seen);
        let provisioned = split_off(&mut self.changes, &[provisioned::FIELD]);
        if let Some(provisioning) = self.provisioning {
            provisioning.push_abandoned(&mut self.plan, seen);
        }
        let moved = (moved, &provisioned[..]);
        let is_moving = !self.keeps_alias
            && shift::push_release(&mut self.plan, desired, seen, moved, self.provisioning);
        // What moves from another qualifier goes once it is open here: nobody finds neither.
        if self.push_opening(is_moving) {
            removals.push_moving(&mut self.plan);
        }
        // Where the alias is about to move, its next version is seen to first.
        let provisioning = self.provisioning.filter(|_| !is_moving);
        let obstacle = provisioning.and_then(|p| p.push(&mut self.plan, seen, provisioned));
        let mut plan = self.plan;
        if plan.steps.is_empty() {
            // Everything else goes on.
            let failure =
                seen.failure.clone().map(|message| Blocked { reason: "FunctionFailed", message });
            plan.blocked = plan.blocked.or(failure).or(obstacle);
        }
        plan
    }

    /// What the facets of a qualifier hang on.
    fn of(&self) -> FunctionRef {
        FunctionRef {
            name: self.desired.aws_name.clone(),
            qualifier: self.desired.spec.alias.clone(),
            reserved_concurrency: None,
        }
    }

    fn push_facets<const N: usize>(
        &mut self,
        facets: [&'static dyn AnyFacet<FunctionRef>; N],
        effective: &Value,
    ) {
        let (of, seen) = (self.of(), &self.seen.facets);
        let step = |step| FunctionStep::Facet(of.clone(), step);
        push_facets(&mut self.plan, facets, seen, effective, &mut self.changes, step);
    }

    /// What closes the function, and then what takes requests from what nobody released: a version of before is not put
    /// behind a door of now. A URL that exists, and permissions that are only removed, come before the tag: they put
    /// nothing new on the qualifier, and a tag that AWS refuses must not hold them back.
    fn push_closing(
        &mut self,
        removals: &mut Removals,
        (back, unwanted): (Option<Change>, Option<Change>),
    ) {
        let (desired, seen) = (self.desired, self.seen);
        removals.push_closing(&mut self.plan);
        if seen.url.is_some() {
            self.push_facets([URL], self.effective);
        }
        let mut gone = permission::split_unwanted(&mut self.changes, self.settings);
        let of = self.of();
        permission::push(&mut self.plan, &mut gone, self.settings, &of, seen);
        shift::push_first(&mut self.plan, &desired.spec, seen, (back, unwanted));
        qualifier::push_tag(&mut self.plan, desired, &seen.arn, &seen.tags, &seen.leftovers);
    }

    /// What belongs to the alias, where there is one.
    fn push_qualified(&mut self) {
        self.push_facets([ASYNC, URL, ALIAS_DESCRIPTION], self.effective);
        let of = self.of();
        permission::push(&mut self.plan, &mut self.changes, self.settings, &of, self.seen);
    }

    /// What stands alone comes before what may be refused.
    fn push_beside(&mut self) {
        let tags = split_off(&mut self.changes, &["tags"]);
        if !tags.is_empty() {
            let step = FunctionStep::Tag(self.seen.arn.clone(), self.wanted_tags.clone());
            self.plan.push(Verb::Update, "tags", tags, step).stands_alone();
        }
        self.push_facets([RESERVATION, RECURSION], self.effective);
    }

    /// What lets more callers in, and what hangs on a qualifier that was not there before. While the code takes over step by
    /// step, a new URL is made, and closed. Says whether nothing waits.
    fn push_opening(&mut self, is_moving: bool) -> bool {
        let is_waiting = !self.opening.is_empty();
        // The first version of an alias, and one that follows $LATEST, get all requests at once.
        let is_shared = self.seen.alias.as_ref().is_some_and(|alias| alias.version != LATEST);
        let is_step_by_step = is_moving && is_shared && self.desired.weight.is_some();
        if !is_step_by_step {
            self.changes.append(&mut self.opening);
            self.push_qualified();
            return true;
        }
        let of_url = split_off(&mut self.opening, &["url"]);
        if self.seen.url.is_none() && !of_url.is_empty() {
            let closed = opening::closed(self.effective);
            let desired = closed.get("url").cloned();
            self.changes.push(Change { path: Path::default().field("url"), live: None, desired });
            self.push_facets([URL], &closed);
        }
        !is_waiting
    }
}

fn push_settings(
    plan: &mut Plan<FunctionStep>,
    changes: &mut Vec<Change>,
    settings: &Settings,
    seen: &LiveFunction,
) {
    let configuration = split_off(changes, CONFIGURATION);
    if !configuration.is_empty() {
        let fields = configuration.iter().map(|change| change.path.root()).collect();
        match settings.only(&fields) {
            Ok(settings) => {
                let step = FunctionStep::Configure(Box::new(settings), seen.revision.clone());
                plan.push(Verb::Update, "configuration", configuration, step);
            }
            Err(blocked) => plan.blocked = Some(blocked),
        }
    }
    let code = split_off(changes, CODE);
    if !code.is_empty() {
        let spec = &settings.spec;
        // AWS does not say whether an update without them keeps them; so they are always given.
        let architectures = spec.architectures.clone().or_else(|| seen.spec.architectures.clone());
        let step = FunctionStep::UpdateCode {
            code: spec.code.clone(),
            architectures,
            // An image is encrypted where it lies.
            kms_key_arn: seen.code_kms_key_arn.clone().filter(|_| spec.code.image.is_none()),
            revision: seen.revision.clone(),
        };
        plan.push(Verb::Update, "code", code, step);
    }
}

/// How the alias's share of the requests differs from what it is to be.
#[derive(Default)]
pub(super) struct Moves {
    /// It is to point to another version, once that is published.
    pub moved: Option<Change>,
    /// It goes back to a version that is there.
    pub back: Option<Change>,
    /// A version gets requests that nobody gave it.
    pub unwanted: Option<Change>,
}

impl Moves {
    pub fn of(desired: &Desired<FunctionSpec>, live: &LiveFunction, changes: &[Change]) -> Self {
        Self {
            moved: shift::moved_alias(desired, live, changes),
            back: shift::way_back(desired, live, changes),
            unwanted: shift::unwanted_weights(live, changes),
        }
    }

    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.moved.iter().chain(&self.back).chain(&self.unwanted)
    }
}
