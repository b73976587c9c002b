//! Functions with timers.

use std::sync::Arc;

use arrow_array::{BooleanArray, Int64Array, StringArray};

use super::{numbers, output, put_numbers, text};
use crate::process::{FiredTimers, ProcessContext, ProcessOutput, ProcessRows, ProcessTableFunction};
use crate::{Error, Result, TypeKind};

const SECOND_MS: i64 = 1000;

fn times<'a>(rows: &ProcessRows<'a>) -> Result<&'a [i64]> {
    rows.times_ms.ok_or_else(|| Error::internal("a function that requires on_time has no times"))
}

/// How many rows of a key came without a gap between the last one and the watermark.
pub(super) struct Idle {
    pub(super) gap_ms: i64,
}

impl ProcessTableFunction for Idle {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let mut counts = numbers(cx)?;
        for (key, time_ms) in rows.keys.iter().zip(times(rows)?) {
            counts[*key as usize] = Some(counts[*key as usize].unwrap_or(0) + 1);
            cx.timers.register(*key, Some("idle"), time_ms + self.gap_ms)?;
        }
        put_numbers(cx, counts)?;
        seen(Vec::new(), Vec::new())
    }

    fn on_timers(&mut self, timers: &FiredTimers<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let counts = numbers(cx)?;
        let given = timers.keys.iter().map(|key| counts[*key as usize]).collect();
        cx.state.clear(0, timers.keys)?;
        timers.keys.iter().try_for_each(|key| cx.timers.clear_all(*key))?;
        seen(given, (0..timers.keys.len() as u32).collect())
    }
}

fn seen(counts: Vec<Option<i64>>, origins: Vec<u32>) -> Result<ProcessOutput> {
    output(&[("seen", TypeKind::BigInt)], vec![Arc::new(Int64Array::from(counts))], (origins, None))
}

/// Each row, and reminders one and two seconds later.
pub(super) struct Reminders;

impl ProcessTableFunction for Reminders {
    fn eval(&mut self, rows: &ProcessRows<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let fired = numbers(cx)?;
        let mut late = Vec::with_capacity(rows.keys.len());
        for (key, time_ms) in rows.keys.iter().zip(times(rows)?) {
            late.push(cx.watermark_ms.is_some_and(|watermark_ms| *time_ms <= watermark_ms));
            cx.timers.register(*key, None, time_ms + SECOND_MS)?;
            cx.timers.register(*key, None, time_ms + 2 * SECOND_MS)?;
            if fired[*key as usize].is_some_and(|n| n % 2 == 1) {
                cx.timers.clear_at(*key, time_ms + SECOND_MS)?;
            }
        }
        reminded(vec!["row".to_owned(); late.len()], late)
    }

    fn on_timers(&mut self, timers: &FiredTimers<'_>, cx: &mut ProcessContext<'_>) -> Result<ProcessOutput> {
        let mut fired = numbers(cx)?;
        let mut what = Vec::with_capacity(timers.keys.len());
        for (key, name) in timers.keys.iter().zip(timers.names) {
            let number = fired[*key as usize].unwrap_or(0) + 1;
            fired[*key as usize] = Some(number);
            what.push(format!("{} {number}", if name.is_none() { "timer" } else { "named" }));
            if number == 4 {
                cx.timers.clear_all(*key)?;
            }
        }
        put_numbers(cx, fired)?;
        let late = vec![false; what.len()];
        reminded(what, late)
    }
}

fn reminded(what: Vec<String>, late: Vec<bool>) -> Result<ProcessOutput> {
    let origins = (0..what.len() as u32).collect();
    let columns = [("what", text()), ("late", TypeKind::Boolean)];
    output(&columns, vec![Arc::new(StringArray::from(what)), Arc::new(BooleanArray::from(late))], (origins, None))
}
