//! Every kind, once.

use std::marker::PhantomData;

use super::any_kind::Untyped;
use super::{AnyKind, bucket, frontend, function, table};

/// The kinds that stand for AWS resources. `Environment` is not among them: it says where the
/// others live.
pub fn kinds() -> &'static [&'static dyn AnyKind] {
    const KINDS: &[&dyn AnyKind] = &[
        &Untyped::<bucket::Bucket>(PhantomData),
        &Untyped::<frontend::Frontend>(PhantomData),
        &Untyped::<function::Function>(PhantomData),
        &Untyped::<table::Table>(PhantomData),
    ];
    KINDS
}

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static dyn AnyKind> {
    kinds().iter().copied().find(|kind| kind.name() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::{Desired, Kind};
    use crate::plan::{Facts, Plan, check};

    /// What the checker says of a kind's plans to make its resource and to delete it, where it exists and
    /// nobody asked for its deletion.
    fn judged<K: Kind>(spec: Value, live: K::Live) -> (&'static str, Vec<Option<&'static str>>) {
        let desired = Desired::sample(K::NAME, spec);
        let facts = Facts {
            exists: true,
            owned: true,
            tagged: true,
            holds_data: K::HOLDS_DATA,
            deletion_asked: false,
        };
        let reason = |plan: Plan<K::Step>| {
            assert!(!plan.steps.is_empty() && plan.blocked.is_none(), "{}", K::NAME);
            check(plan, facts).blocked.map(|blocked| blocked.reason)
        };
        let made = K::plan(&desired, None, Timestamp::UNIX_EPOCH);
        (K::NAME, vec![reason(made), reason(K::plan_deletion(&desired, &live))])
    }

    #[test]
    fn the_checker_stops_what_would_make_or_delete_a_whole_of_every_kind() {
        let key = json!({"partitionKey": {"name": "id", "type": "S"}});
        let table = table::LiveTable::sample(key.clone(), BTreeMap::new());
        let site = json!({"branch": {"name": "main"}});
        let code = json!({"role": "r", "code": {}});
        let judged = [
            judged::<bucket::Bucket>(json!({}), bucket::LiveBucket::default()),
            judged::<frontend::Frontend>(site, frontend::LiveFrontend::default()),
            judged::<function::Function>(code, function::LiveFunction::default()),
            judged::<table::Table>(key, table),
        ];
        for (kind, (name, reasons)) in kinds().iter().zip(judged) {
            assert_eq!(kind.name(), name, "every kind of the registry is judged");
            let at_risk = kind.holds_data().then_some("DataAtRisk");
            assert_eq!(reasons, [Some("AlreadyExists"), at_risk], "{name}");
        }
        assert_eq!(kinds().len(), 4, "every kind of the registry is judged");
    }
}
