//! The order that references make: what is referred to comes first.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::model::ObjectId;

/// A chain of references that comes back to where it began.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the references go in a circle: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle(pub Vec<ObjectId>);

/// Objects so that each comes after all that it refers to; ties are broken by name. References to
/// objects outside the map are left to validation.
pub fn dependency_order(
    references: &BTreeMap<ObjectId, BTreeSet<ObjectId>>,
) -> Result<Vec<ObjectId>, Cycle> {
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    for start in references.keys() {
        // An explicit stack: manifests may chain references deeper than the thread's stack.
        let mut trail = vec![(start.clone(), false)];
        let mut open = Vec::new();
        while let Some((id, children_done)) = trail.pop() {
            if children_done {
                open.pop();
                if done.insert(id.clone()) {
                    order.push(id);
                }
                continue;
            }
            if done.contains(&id) {
                continue;
            }
            if let Some(from) = open.iter().position(|o| *o == id) {
                let mut circle = open[from..].to_vec();
                circle.push(id);
                return Err(Cycle(circle));
            }
            open.push(id.clone());
            trail.push((id.clone(), true));
            for target in references.get(&id).into_iter().flatten().rev() {
                if references.contains_key(target) {
                    trail.push((target.clone(), false));
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<ObjectId, BTreeSet<ObjectId>> {
        let id = |name: &str| ObjectId::new("K", name);
        edges.iter().map(|(from, to)| (id(from), to.iter().map(|t| id(t)).collect())).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first() {
        let order = dependency_order(&graph(&[
            ("api", &["orders", "assets"]),
            ("assets", &[]),
            ("orders", &[]),
            ("web", &["api"]),
        ]));
        let names: Vec<_> = order.unwrap().iter().map(|id| id.name.to_string()).collect();
        assert_eq!(names, ["assets", "orders", "api", "web"]);
    }

    #[test]
    fn a_circle_is_named_in_full() {
        let error = dependency_order(&graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "the references go in a circle: K/a -> K/b -> K/c -> K/a"
        );
    }

    #[test]
    fn a_diamond_is_not_a_circle() {
        let order = dependency_order(&graph(&[
            ("a", &["b", "c"]),
            ("b", &["d"]),
            ("c", &["d"]),
            ("d", &[]),
        ]));
        assert_eq!(order.unwrap().len(), 4);
    }
}
