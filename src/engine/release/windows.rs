//! Whether a release may come in now.

use jiff::Timestamp;

use super::{Refused, spec_of};
use crate::model::Object;

/// Refuses a release outside of the windows that the environment has now: those that come with it are for the
/// next one. The first release of an environment meets none.
pub fn check_windows(environment: &str, current: &[Object], now: Timestamp) -> Result<(), Refused> {
    // One that cannot be read stops the environment by itself.
    match spec_of(current).and_then(|spec| spec.closed(now)) {
        None => Ok(()),
        Some(closed) => Err(Refused::WindowClosed {
            environment: environment.to_owned(),
            why: closed.why,
            opens_at: closed.opens_at,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::samples::object;
    use super::*;

    #[test]
    fn a_release_outside_of_the_windows_is_refused_with_the_time_at_which_they_open() {
        let window = json!({"schedule": "0 9 * * *", "duration": "8h"});
        let current = [object("Environment", "prod", json!({"windows": {"allow": [window]}}))];
        let at = |time: &str| time.parse().unwrap();
        assert!(check_windows("prod", &current, at("2026-11-27T10:00:00Z")).is_ok());
        assert!(check_windows("prod", &[], at("2026-11-27T20:00:00Z")).is_ok());
        let refused = check_windows("prod", &current, at("2026-11-27T20:00:00Z")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "prod takes no release now: it is outside of every window that allows them; nothing was recorded. \
             It takes one from 2026-11-28T09:00:00Z on; or add --override-window and say why with --message"
        );
    }
}
