//! Whole jobs with fake operators, sources and sinks.

mod alignment;
mod checkpoints;
mod control;
mod draining;
mod exchange;
mod flow;
mod time;
mod unaligned;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use flott_api::operator::{EventTime, Operator, OperatorContext};
use flott_api::{ChangeBatch, Result};

use crate::testing::fakes::World;
use crate::testing::rows::values;

/// Hands everything on.
struct Pass {}

impl flott_api::operator::Stateful for Pass {}

#[async_trait]
impl Operator for Pass {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        cx.output.emit(batch).await
    }
}

/// Panics on the value -13 and fails on -14; hands everything else on, and logs checkpoints.
struct Moody {
    world: Arc<World>,
}

impl flott_api::operator::Stateful for Moody {}

#[async_trait]
impl Operator for Moody {
    async fn process_batch(&mut self, _: usize, batch: ChangeBatch, cx: &mut OperatorContext<'_>) -> Result<()> {
        let found = values(&batch);
        assert!(!found.contains(&-13), "thirteen");
        if found.contains(&-14) {
            return Err(flott_api::Error::data("fourteen").with_hint("Send 15."));
        }
        cx.output.emit(batch).await
    }

    async fn before_checkpoint(&mut self, _: &mut OperatorContext<'_>) -> Result<()> {
        self.world.log("checkpoint");
        Ok(())
    }
}

/// A world with the operators `pass` and `moody`.
fn world() -> Arc<World> {
    let world = World::new();
    world.operator("pass", EventTime::Indifferent, || Pass {});
    let weak = Arc::downgrade(&world);
    let make = move || Moody { world: weak.upgrade().unwrap() };
    world.operator("moody", EventTime::Indifferent, make);
    world
}

/// No test waits longer.
#[expect(clippy::disallowed_methods, reason = "a hanging test must end by the real clock")]
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing hangs")
}

/// Lets other tasks run until something holds.
async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn sorted(mut rows: Vec<i64>) -> Vec<i64> {
    rows.sort_unstable();
    rows
}
