//! `--confirm`: what is confirmed by name, for one environment.

use std::str::FromStr;

use super::CliError;
use super::selector::object;
use crate::model::ObjectId;

/// `Kind/name`, or `environment/Kind/name` where several environments are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Confirmation {
    environment: Option<String>,
    object: ObjectId,
}

impl FromStr for Confirmation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [environment, kind, name] if ![environment, kind, name].contains(&"") => Ok(Self {
                environment: Some(environment.to_owned()),
                object: object(&format!("{kind}/{name}"))?,
            }),
            _ => Ok(Self { environment: None, object: object(text)? }),
        }
    }
}

impl Confirmation {
    /// The objects of one environment that are confirmed.
    pub fn of<'a>(all: &'a [Self], environment: &'a str) -> impl Iterator<Item = &'a ObjectId> {
        let is_meant =
            move |one: &&Self| one.environment.as_deref().is_none_or(|named| named == environment);
        all.iter().filter(is_meant).map(|one| &one.object)
    }

    /// Refuses a confirmation that names an object of several environments and not which: what is confirmed in
    /// one may be lost in another. `has` says whether an environment has an object, before or after.
    pub fn check(
        all: &[Self],
        environments: &[&str],
        has: impl Fn(&str, &ObjectId) -> bool,
    ) -> Result<(), CliError> {
        for one in all.iter().filter(|one| one.environment.is_none()) {
            let meant: Vec<_> =
                environments.iter().filter(|name| has(name, &one.object)).copied().collect();
            if let [first, _, ..] = meant[..] {
                return Err(CliError::refused(format!(
                    "--confirm {object} names an object of {}; nothing was recorded. Say which is meant, as \
                     --confirm {first}/{object}",
                    meant.join(" and of "),
                    object = one.object
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_holds_for_one_environment() {
        let all: Vec<Confirmation> =
            ["Table/orders", "prod/Bucket/assets"].map(|text| text.parse().unwrap()).to_vec();
        let of = |name| Confirmation::of(&all, name).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of("prod"), ["Table/orders", "Bucket/assets"]);
        assert_eq!(of("dev"), ["Table/orders"]);
        assert!(Confirmation::check(&all, &["dev"], |_, _| true).is_ok());
        assert!(Confirmation::check(&all, &["dev", "prod"], |name, _| name == "dev").is_ok());
        let refused = Confirmation::check(&all, &["dev", "prod"], |_, _| true).unwrap_err();
        assert!(refused.to_string().contains("--confirm dev/Table/orders"), "{refused}");
        assert!("orders".parse::<Confirmation>().is_err());
    }
}
