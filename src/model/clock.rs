//! The one clock of the program.
//!
//! In tests wall time is derived from tokio's, so that one that pauses and advances tokio's time moves
//! every timestamp, deadline, lease and backoff with it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time. Cheap to clone; clones agree.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's: it follows corrections, and goes on while the machine is paused.
    System,
    /// Moves with tokio's time from a fixed beginning.
    From(Timestamp, Instant),
}

impl Clock {
    /// A clock that starts at the machine's time.
    pub fn system() -> Self {
        Self::System
    }

    /// A clock that starts at a given time, for tests whose timestamps must repeat.
    pub fn starting_at(started_at: Timestamp) -> Self {
        Self::From(started_at, Instant::now())
    }

    /// The time now. A clock with a fixed beginning adds what has passed of tokio's time to it.
    pub fn now(&self) -> Timestamp {
        let (started_at, started) = match self {
            Self::System => return Timestamp::now(),
            Self::From(at, started) => (at, started),
        };
        let elapsed = SignedDuration::try_from(started.elapsed()).unwrap_or_default();
        started_at.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// Reads a duration of ours, such as `60s`, `1h30m` or `2d`.
///
/// The error says what was expected; it is shown to the author of a manifest.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let help = || format!("`{text}` is not a duration; write for example 60s, 5m, 1h30m or 2d");
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let parsed = match days {
        Some(days) => SignedDuration::from_hours(i64::from(days) * 24),
        None => text.parse().map_err(|_| help())?,
    };
    Duration::try_from(parsed).map_err(|_| format!("`{text}` is negative; a duration is not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_kubernetes_ones() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h30m", 5_400), ("2d", 172_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "60", "-5s", "soon"] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_moves_with_tokio_time() {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30Z");
    }
}
