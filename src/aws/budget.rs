//! How many calls a second trueup makes to one service of one account and region.
//!
//! AWS throttles by account, region and service, so an operator that spends the whole quota
//! starves everybody else. The defaults stay well under AWS's own.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The timer's resolution.
const TICK: Duration = Duration::from_millis(1);

/// A token bucket. Callers are served in the order in which they came.
#[derive(Debug)]
pub struct Budget {
    per_second: f64,
    burst: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: f64,
    filled: Instant,
}

impl Budget {
    pub fn new(per_second: f64, burst: f64) -> Self {
        let state = Mutex::new(State { tokens: burst, filled: Instant::now() });
        Self { per_second, burst, state }
    }

    /// The default for a service, by its IAM prefix.
    pub fn for_service(service: &str) -> Self {
        match service {
            // Lambda's control plane takes 15 calls a second; GetFunction and the like 100:
            // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
            "lambda" => Self::new(50.0, 50.0),
            // https://docs.aws.amazon.com/general/latest/gr/amplify.html
            "amplify" => Self::new(10.0, 20.0),
            // https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html:
            // 2,500 control-plane reads a second; data-plane calls of our own store share it.
            "dynamodb" => Self::new(500.0, 500.0),
            _ => Self::new(100.0, 100.0),
        }
    }

    /// Waits for one call's worth.
    pub async fn take(&self) {
        let mut state = self.state.lock().await;
        loop {
            let now = Instant::now();
            let earned = (now - state.filled).as_secs_f64() * self.per_second;
            state.tokens = (state.tokens + earned).min(self.burst);
            state.filled = now;
            if state.tokens >= 1.0 {
                state.tokens -= 1.0;
                return;
            }
            let missing = (1.0 - state.tokens) / self.per_second;
            // At least a tick of the timer: rounding must not make this a loop without a pause.
            // The lock is held on purpose: those behind keep their order.
            tokio::time::sleep(Duration::from_secs_f64(missing).max(TICK)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_the_rest_is_paced() {
        let budget = Budget::new(10.0, 5.0);
        let begin = Instant::now();
        for _ in 0..5 {
            budget.take().await;
        }
        assert_eq!(begin.elapsed(), Duration::ZERO);
        for _ in 0..20 {
            budget.take().await;
        }
        let seconds = begin.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&seconds), "{seconds}");
    }
}
