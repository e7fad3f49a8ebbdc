//! `--watch`: reads again and again, and shows what is new.

use std::time::Duration;

use super::CliError;
use super::out::{self, note};

/// Pause between two reads.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Until nobody reads any more. That the store cannot be read is said once, and passes.
pub(super) async fn watch<T>(
    mut read: impl AsyncFnMut() -> Result<T, CliError>,
    mut show: impl FnMut(T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut is_troubled = false;
    while !out::nobody_reads() {
        tokio::time::sleep(WATCH_EVERY).await;
        match read().await {
            Err(error) if error.may_pass() => {
                if !std::mem::replace(&mut is_troubled, true) {
                    note!("warning: {error}; trying again");
                }
            }
            read => {
                is_troubled = false;
                show(read?)?;
            }
        }
    }
    Ok(())
}
