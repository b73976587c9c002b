//! What a table's options say of its watermark (`scan.watermark.*`), beside its expression.
//!
//! Flink counterpart: `WatermarkParams`. Flink heeds them for sources that make the watermark themselves and forgets them
//! for others; here they hold for every table that has a watermark, and are refused for one that has none.

use flott_api::options::{Millis, OptionReader};
use flott_api::{Error, Result};
use flott_graph::WatermarkAlignment;

use crate::catalog::CatalogTable;
use crate::catalog::table::{
    ALIGNMENT_GROUP, ALIGNMENT_MAX_DRIFT, ALIGNMENT_UPDATE_INTERVAL, EMIT_STRATEGY, IDLE_TIMEOUT,
};

/// How often sources that wait for each other hear how far they may read, if the table does not say.
const UPDATE_INTERVAL: Millis = Millis(1000);

/// How the watermark of a table comes; where it says nothing, the job's configuration does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatermarkOptions {
    /// Behind each row that raises it, or by the clock.
    pub on_event: Option<bool>,
    /// When a split without rows holds it back no more; 0 for never. Milliseconds.
    pub idle_timeout_ms: Option<i64>,
    /// Whom the source waits for.
    pub alignment: Option<WatermarkAlignment>,
}

impl WatermarkOptions {
    /// What a table says. `interval_ms` is `pipeline.auto-watermark-interval`.
    ///
    /// # Errors
    /// If an option is wrong, misses another one, or means nothing because there is no watermark.
    pub fn read(table: &CatalogTable, interval_ms: i64) -> Result<Self> {
        let options = table.watermark_options();
        if let (Some(key), None) = (options.0.keys().next(), &table.watermark) {
            return Err(Error::invalid(format!("option '{key}' is set, and there is no watermark")).with_hint(
                "Declare one, as in WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, or leave the option out.",
            ));
        }
        let reader = OptionReader::new(&options, "a watermark");
        let choices = [("on-event", Some(true)), ("on-periodic", Some(false))];
        let on_event = reader.choice(EMIT_STRATEGY, &choices, None)?;
        if on_event == Some(false) && interval_ms == 0 {
            return Err(Error::invalid(format!("option '{EMIT_STRATEGY}' asks for a watermark by the clock"))
                .with_detail("Option 'pipeline.auto-watermark-interval' is 0, which is never.")
                .with_hint("Set an interval, as in SET 'pipeline.auto-watermark-interval' = '200 ms'."));
        }
        let idle_timeout_ms = millis(&reader, IDLE_TIMEOUT)?;
        Ok(WatermarkOptions { on_event, idle_timeout_ms, alignment: alignment(&reader)? })
    }

    /// As `EXPLAIN` shows them: `, idletimeout=[1000], watermarkEmitStrategy=[on-event]`; nothing where nothing is set.
    pub fn text(&self) -> String {
        if *self == WatermarkOptions::default() {
            return String::new();
        }
        let idle = self.idle_timeout_ms.filter(|idle| *idle > 0);
        let idle = idle.map_or(String::new(), |idle| format!(", idletimeout=[{idle}]"));
        let strategy = if self.on_event == Some(true) { "on-event" } else { "on-periodic" };
        let aligned = self.alignment.as_ref().map_or(String::new(), |alignment| {
            let WatermarkAlignment { group, max_drift_ms, update_interval_ms } = alignment;
            let (drift, interval) = (duration_text(*max_drift_ms as u64), duration_text(*update_interval_ms));
            format!(", watermarkAlignment=[{group}, {drift}, {interval}]")
        });
        format!("{idle}, watermarkEmitStrategy=[{strategy}]{aligned}")
    }
}

fn millis(reader: &OptionReader<'_>, key: &str) -> Result<Option<i64>> {
    let value = reader.value::<Millis>(key)?.map(|millis| i64::try_from(millis.0));
    value.transpose().map_err(|_| Error::invalid(format!("option '{key}' is too long")))
}

fn alignment(reader: &OptionReader<'_>) -> Result<Option<WatermarkAlignment>> {
    let group = reader.text(ALIGNMENT_GROUP);
    let max_drift_ms = millis(reader, ALIGNMENT_MAX_DRIFT)?;
    let (group, max_drift_ms) = match (group, max_drift_ms) {
        (Some(group), Some(max_drift_ms)) => (group, max_drift_ms),
        (None, None) if reader.text(ALIGNMENT_UPDATE_INTERVAL).is_none() => return Ok(None),
        (group, _) => {
            let missing = if group.is_none() { ALIGNMENT_GROUP } else { ALIGNMENT_MAX_DRIFT };
            return Err(Error::invalid(format!("option '{missing}' is missing")).with_detail(format!(
                "Sources wait for each other only where '{ALIGNMENT_GROUP}' and '{ALIGNMENT_MAX_DRIFT}' are set."
            )));
        }
    };
    if group.is_empty() {
        return Err(Error::invalid(format!("option '{ALIGNMENT_GROUP}' is empty"))
            .with_hint("Give the sources that wait for each other a common name."));
    }
    let update_interval_ms = reader.value_or(ALIGNMENT_UPDATE_INTERVAL, UPDATE_INTERVAL)?.0;
    if update_interval_ms == 0 {
        return Err(Error::invalid(format!("option '{ALIGNMENT_UPDATE_INTERVAL}' is less than a millisecond"))
            .with_hint("It says how often a source hears how far it may read; 1 s is usual."));
    }
    Ok(Some(WatermarkAlignment { group: group.to_owned(), max_drift_ms, update_interval_ms }))
}

/// As Java writes a duration: `PT1H2M0.5S`.
fn duration_text(millis: u64) -> String {
    let (hours, minutes, millis) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let part = |number: u64, unit: &str| if number == 0 { String::new() } else { format!("{number}{unit}") };
    let seconds = match (millis / 1000, millis % 1000) {
        (0, 0) if hours + minutes > 0 => String::new(),
        (seconds, 0) => format!("{seconds}S"),
        (seconds, millis) => format!("{seconds}.{}S", format!("{millis:03}").trim_end_matches('0')),
    };
    format!("PT{}{}{seconds}", part(hours, "H"), part(minutes, "M"))
}

#[cfg(test)]
mod tests {
    use super::duration_text;

    #[test]
    fn durations_read_as_javas() {
        let texts = [
            (0, "PT0S"),
            (1000, "PT1S"),
            (60_000, "PT1M"),
            (500, "PT0.5S"),
            (3_661_050, "PT1H1M1.05S"),
            (86_400_000, "PT24H"),
        ];
        for (millis, text) in texts {
            assert_eq!(duration_text(millis), text);
        }
    }
}
