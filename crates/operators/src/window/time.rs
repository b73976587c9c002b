//! Time columns as milliseconds, and between a zone's wall clock and UTC.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, TimeUnit};
use flott_api::expr::Expr;
use flott_api::types::arrow::{UTC, nano_fields};
use flott_api::{Error, Field, LogicalType, Result, Schema, TypeKind};
use flott_functions::{CompileContext, CompiledExpr, EvalContext, compile};

const MICROS_PER_MILLI: i64 = 1000;
const HOUR_MS: i64 = 3_600_000;
/// `TIMESTAMP(3)` and `TIMESTAMP_LTZ(3)`.
const PRECISION: u8 = 3;

/// A timestamp column in milliseconds since the epoch, rounded down.
pub(crate) fn millis(column: &ArrayRef) -> Result<Int64Array> {
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Ok(column.as_primitive::<TimestampMillisecondType>().reinterpret_cast())
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let micros = column.as_primitive::<TimestampMicrosecondType>();
            Ok(micros.unary(|v| v.div_euclid(MICROS_PER_MILLI)))
        }
        DataType::Struct(fields) if *fields == nano_fields() => {
            let nanos = column.as_struct();
            let values = nanos.column(0).as_primitive::<Int64Type>().values().clone();
            Ok(Int64Array::new(values, nanos.nulls().cloned()))
        }
        other => Err(Error::internal(format!("a time column lies as {other}"))),
    }
}

/// Milliseconds as a column of a time attribute's type.
pub(crate) fn from_millis(values: Vec<i64>, ty: &LogicalType) -> Result<ArrayRef> {
    match ty.kind {
        TypeKind::Timestamp(0..=3) | TypeKind::TimestampLtz(0..=3) => {
            Ok(Arc::new(TimestampMillisecondArray::from(values).with_data_type(ty.arrow())))
        }
        _ => Err(Error::internal(format!("a window property of type {ty}"))),
    }
}

/// A zone's wall clock. Conversions are those of `CAST` between `TIMESTAMP` and `TIMESTAMP_LTZ`, and so
/// as in Flink: of two moments with the same wall time the earlier, and a time in a gap moves on.
pub(crate) enum WallClock {
    /// No difference.
    Utc,
    /// Another zone.
    Zone(Box<Casts>),
}

pub(crate) struct Casts {
    to_local: CompiledExpr,
    to_utc: CompiledExpr,
}

impl WallClock {
    /// The clock of a zone.
    pub(crate) fn new(zone: &str) -> Result<Self> {
        if zone == UTC {
            return Ok(WallClock::Utc);
        }
        let cx = CompileContext { session_zone: zone.to_owned(), environment: None };
        let local = LogicalType::new(TypeKind::Timestamp(PRECISION));
        let utc = LogicalType::new(TypeKind::TimestampLtz(PRECISION));
        let cast = |from: &LogicalType, to: &LogicalType| {
            let input = Box::new(Expr::column(0, from.clone()));
            compile(&Expr::Cast { input, ty: to.clone(), try_cast: false }, &cx)
        };
        Ok(WallClock::Zone(Box::new(Casts { to_local: cast(&utc, &local)?, to_utc: cast(&local, &utc)? })))
    }

    /// What the wall clock shows at these moments; nulls stay.
    pub(crate) fn local(&self, utc: Int64Array) -> Result<Int64Array> {
        match self {
            WallClock::Utc => Ok(utc),
            WallClock::Zone(casts) => convert(&casts.to_local, utc, TypeKind::TimestampLtz(PRECISION)),
        }
    }

    /// The moments at which the wall clock shows these times.
    pub(crate) fn utc(&self, local: Int64Array) -> Result<Int64Array> {
        match self {
            WallClock::Utc => Ok(local),
            WallClock::Zone(casts) => convert(&casts.to_utc, local, TypeKind::Timestamp(PRECISION)),
        }
    }

    /// The moment at which a timer for this wall time is due: Flink's `toEpochMillsForTimer`. A time in
    /// the hour that is skipped is due when the clock is moved on, one that comes twice the second time.
    pub(crate) fn timer_ms(&self, local_ms: i64) -> Result<i64> {
        if matches!(self, WallClock::Utc) {
            return Ok(local_ms);
        }
        let both = self.utc(Int64Array::from(vec![local_ms, local_ms.saturating_add(HOUR_MS)]))?;
        let (at, hour_later) = (both.value(0), both.value(1));
        Ok(match hour_later - at {
            0 => at - at % HOUR_MS,
            apart if apart > HOUR_MS => at + HOUR_MS,
            _ => at,
        })
    }
}

fn convert(cast: &CompiledExpr, values: Int64Array, from: TypeKind) -> Result<Int64Array> {
    let schema = Schema::new(vec![Field::new("t", LogicalType::new(from))]).arrow();
    let ty = schema.field(0).data_type().clone();
    let column: ArrayRef = Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_data_type(ty));
    millis(&cast.evaluate(&RecordBatch::try_new(schema, vec![column])?, &EvalContext::default())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2021-03-14 02:00 is skipped in Los Angeles, 2021-11-07 01:00 comes twice.
    const SPRING_MIDNIGHT: i64 = 1_615_680_000_000;
    const AUTUMN_MIDNIGHT: i64 = 1_636_243_200_000;

    #[test]
    fn timers_follow_flink_where_the_clock_is_moved() {
        let clock = WallClock::new("America/Los_Angeles").unwrap();
        let spring = |hour: i64| clock.timer_ms(SPRING_MIDNIGHT + hour * HOUR_MS).unwrap();
        assert_eq!([0, 1, 2, 3].map(spring), [1615708800000, 1615712400000, 1615716000000, 1615716000000]);
        let autumn = |hour: i64| clock.timer_ms(AUTUMN_MIDNIGHT + hour * HOUR_MS).unwrap();
        assert_eq!([0, 1, 2].map(autumn), [1636268400000, 1636275600000, 1636279200000]);
    }

    #[test]
    fn the_wall_clock_and_back() {
        let clock = WallClock::new("Asia/Shanghai").unwrap();
        let local = clock.local(Int64Array::from(vec![Some(0), None])).unwrap();
        assert_eq!(local, Int64Array::from(vec![Some(8 * HOUR_MS), None]));
        assert_eq!(clock.utc(local).unwrap(), Int64Array::from(vec![Some(0), None]));
        assert!(WallClock::new("Nowhere/Land").is_err());
    }
}
