//! Sort keys that nobody declared. Pure.
//!
//! Keys are a whole: a table, or an index, that the manifest gives a partition key and no sort key has
//! none. What is not set is here asked to be absent: with another sort key it would be another index,
//! under the same name.

use serde_json::json;

use crate::kinds::Desired;
use crate::model::Path;
use crate::plan::Change;

use super::spec::*;

/// The sort keys that are there and not declared, nor ignored. Takes them out of what is wanted.
pub(super) fn undeclared_sort_keys(
    desired: &Desired<TableSpec>,
    live: &TableSpec,
    want: &mut TableSpec,
) -> Vec<Change> {
    let surplus = |at: Path, declared: &Option<KeyAttribute>, live: &Option<KeyAttribute>| {
        let path = at.field("sortKey");
        let live = live.as_ref().filter(|_| declared.is_none() && !desired.ignore.contains(&path));
        live.map(|key| Change { path, live: Some(json!(key)), desired: None })
    };
    let of_table = surplus(Path::default(), &desired.spec.sort_key, &live.sort_key);
    let mut changes = Vec::from_iter(of_table);
    for declared in desired.spec.global_secondary_indexes.iter().flatten() {
        let is_it = |index: &GlobalIndex| index.name == declared.name;
        let seen = live.global_secondary_indexes.iter().flatten().find(|index| is_it(index));
        let at = Path::default().field("globalSecondaryIndexes").element(&declared.name);
        let change = seen.and_then(|seen| surplus(at, &declared.sort_key, &seen.sort_key));
        if let Some(change) = change {
            let mut wanted = want.global_secondary_indexes.iter_mut().flatten();
            if let Some(wanted) = wanted.find(|index| is_it(index)) {
                wanted.sort_key = None;
            }
            changes.push(change);
        }
    }
    changes
}
