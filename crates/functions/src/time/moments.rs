//! Timestamps of every precision as milliseconds and nanoseconds, whatever their layout.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, PrimitiveArray, StructArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use flott_api::types::TimestampUnit;
use flott_api::types::arrow::{UTC, nano_fields};
use flott_api::{Error, Result, TypeKind};

/// A column of timestamps.
pub(crate) struct Moments {
    /// Milliseconds since the epoch, floored.
    pub(crate) millis: ScalarBuffer<i64>,
    /// Nanoseconds within the millisecond; none if all are 0.
    pub(crate) nanos: Option<ScalarBuffer<i32>>,
    pub(crate) nulls: Option<NullBuffer>,
}

impl Moments {
    /// Reads a timestamp column of any layout.
    pub(crate) fn read(array: &dyn Array) -> Result<Moments> {
        let nulls = array.nulls().cloned();
        let (millis, nanos) = match array.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => (values::<TimestampMillisecondType>(array), None),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let micros = values::<TimestampMicrosecondType>(array);
                let millis = micros.iter().map(|m| m.div_euclid(1000)).collect();
                (millis, Some(micros.iter().map(|m| (m.rem_euclid(1000) * 1000) as i32).collect()))
            }
            DataType::Struct(fields) if *fields == nano_fields() => {
                let parts = array.as_struct();
                let nanos = parts.column(1).as_primitive::<Int32Type>().values().clone();
                (parts.column(0).as_primitive::<Int64Type>().values().clone(), Some(nanos))
            }
            other => return Err(Error::internal(format!("{other} is no timestamp"))),
        };
        Ok(Moments { millis, nanos, nulls })
    }

    /// Nanoseconds within the millisecond.
    pub(crate) fn nanos(&self, row: usize) -> i32 {
        self.nanos.as_ref().map_or(0, |n| n[row])
    }

    pub(crate) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|n| n.is_null(row))
    }

    pub(crate) fn len(&self) -> usize {
        self.millis.len()
    }

    /// The same with other milliseconds.
    pub(crate) fn with_millis(self, millis: ScalarBuffer<i64>) -> Moments {
        Moments { millis, ..self }
    }

    /// Changes the milliseconds of each row.
    pub(crate) fn map_millis(self, f: impl FnMut(i64) -> i64) -> Moments {
        let millis = self.millis.iter().copied().map(f).collect();
        self.with_millis(millis)
    }

    /// Cuts what the precision does not show.
    pub(crate) fn truncated(self, precision: u8) -> Moments {
        let (millis_step, nanos_step) = match precision {
            0..=2 => (10_i64.pow(3 - u32::from(precision)), 1_000_000),
            3..=8 => (1, 10_i32.pow(9 - u32::from(precision))),
            _ => return self,
        };
        let nanos = self.nanos.filter(|_| precision > 3);
        let nanos = nanos.map(|n| n.iter().map(|n| n - n % nanos_step).collect());
        let millis = match millis_step {
            1 => self.millis,
            // Towards 0, as Flink does it: before 1970 that is up.
            step => self.millis.iter().map(|m| m - m % step).collect(),
        };
        Moments { millis, nanos, nulls: self.nulls }
    }

    /// Writes them in the layout of a timestamp type, cut to its precision.
    pub(crate) fn write(self, kind: &TypeKind) -> Result<ArrayRef> {
        let (precision, zone) = match kind {
            TypeKind::Timestamp(p) => (*p, None),
            TypeKind::TimestampLtz(p) => (*p, Some(Arc::<str>::from(UTC))),
            other => return Err(Error::internal(format!("{other} is no timestamp"))),
        };
        let Moments { millis, nanos, nulls } = self.truncated(precision);
        Ok(match TimestampUnit::of(precision) {
            TimestampUnit::Millis => {
                let array = PrimitiveArray::<TimestampMillisecondType>::try_new(millis, nulls)?;
                Arc::new(array.with_timezone_opt(zone))
            }
            TimestampUnit::Micros => {
                let array = PrimitiveArray::<TimestampMicrosecondType>::try_new(micros(&millis, nanos), nulls)?;
                Arc::new(array.with_timezone_opt(zone))
            }
            TimestampUnit::MillisAndNanos => {
                let nanos = nanos.unwrap_or_else(|| vec![0; millis.len()].into());
                let millis: ArrayRef = Arc::new(Int64Array::new(millis, None));
                let nanos: ArrayRef = Arc::new(Int32Array::new(nanos, None));
                Arc::new(StructArray::try_new(nano_fields(), vec![millis, nanos], nulls)?)
            }
        })
    }
}

fn values<T: ArrowPrimitiveType>(array: &dyn Array) -> ScalarBuffer<T::Native> {
    array.as_primitive::<T>().values().clone()
}

fn micros(millis: &[i64], nanos: Option<ScalarBuffer<i32>>) -> ScalarBuffer<i64> {
    match nanos {
        None => millis.iter().map(|m| m.wrapping_mul(1000)).collect(),
        Some(nanos) => {
            millis.iter().zip(nanos.iter()).map(|(m, n)| m.wrapping_mul(1000) + i64::from(n / 1000)).collect()
        }
    }
}
