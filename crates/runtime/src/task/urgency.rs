//! Work that lets barriers pass: while one that overtakes rows waits for a task, the task may send beyond the
//! credit of its channels, so that it comes to the end of what it is about.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Context;

use flott_api::Result;
use flott_api::env::Clock;

use super::pace::sleep_until;
use crate::exchange::overdraft::Overdraft;

/// Works; `is_urgent` is asked whenever the work goes on, and wakes the task when it may have changed.
pub(super) async fn letting_pass<T>(
    overdraft: &Overdraft,
    work: impl Future<Output = Result<T>>,
    mut is_urgent: impl FnMut(&mut Context<'_>) -> Result<bool>,
) -> Result<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if is_urgent(cx)? {
            overdraft.grant();
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// Works for a barrier that overtakes rows from a moment of the wall clock on, and takes back what was granted
/// for it.
pub(super) async fn for_barrier<T>(
    overdraft: &Overdraft,
    clock: &dyn Clock,
    overtakes_at_ms: Option<i64>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let Some(at_ms) = overtakes_at_ms else { return work.await };
    let mut waiting = pin!(sleep_until_due(clock, at_ms));
    let mut due = false;
    let done = letting_pass(overdraft, work, |cx| {
        due = due || waiting.as_mut().poll(cx).is_ready();
        Ok(due)
    })
    .await;
    overdraft.end();
    done
}

/// Waits until a moment of the wall clock; not at all if it has come.
pub(super) async fn sleep_until_due(clock: &dyn Clock, at_ms: i64) {
    while clock.now_ms() < at_ms {
        sleep_until(clock, at_ms).await;
    }
}
