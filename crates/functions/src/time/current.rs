//! The time that it is: `CURRENT_TIMESTAMP`, `PROCTIME`, `CURRENT_WATERMARK`, ..
//!
//! `SOURCE_WATERMARK()` has no value: it says that a source makes its watermarks itself, and stands alone behind
//! `WATERMARK FOR .. AS`.
//!
//! All rows of a batch see the same moment.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Date32Array, Time32MillisecondArray};
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::civil::DAY_MS;
use super::moments::Moments;
use super::zone::ZoneCache;
use crate::operand::Args;
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

pub(super) const CURRENT_DATE: Function = now("current_date", |c| given(c, TypeKind::Date));
pub(super) const CURRENT_TIME: Function = now("current_time", |c| given(c, TypeKind::Time(0)));
pub(super) const LOCALTIME: Function = now("localtime", |c| given(c, TypeKind::Time(0)));
pub(super) const CURRENT_TIMESTAMP: Function = now("current_timestamp", |c| given(c, TypeKind::TimestampLtz(3)));
pub(super) const NOW: Function = now("now", |c| given(c, TypeKind::TimestampLtz(3)));
pub(super) const PROCTIME: Function = now("proctime", |c| given(c, TypeKind::TimestampLtz(3)));
pub(super) const LOCALTIMESTAMP: Function = now("localtimestamp", |c| given(c, TypeKind::Timestamp(3)));
pub(super) const CURRENT_WATERMARK: Function =
    Function::new("current_watermark", Infer::By(infer_watermark), Body::Bound(bind_watermark)).stable();
pub(super) const SOURCE_WATERMARK: Function =
    Function::new("source_watermark", Infer::By(infer_source_watermark), Body::Plain(source_watermark)).fallible();

const fn now(name: &'static str, infer: fn(&Inference<'_>) -> Result<Signature>) -> Function {
    Function::new(name, Infer::By(infer), Body::Bound(bind_now)).stable()
}

fn given(call: &Inference<'_>, kind: TypeKind) -> Result<Signature> {
    call.arity(0, 0)?;
    Ok(call.unchanged(LogicalType::not_null(kind)))
}

fn bind_now(binding: &Binding<'_>) -> Result<Kernel> {
    let (kind, zone) = (binding.ty.kind.clone(), binding.zone);
    Ok(Box::new(move |args| {
        let utc = args.cx.processing_time_ms;
        let local = ZoneCache::new(zone).local(utc);
        Ok(match kind {
            TypeKind::Date => Arc::new(Date32Array::from(vec![local.div_euclid(DAY_MS) as i32; args.rows])) as ArrayRef,
            TypeKind::Time(_) => {
                let millis = local.rem_euclid(DAY_MS) as i32;
                Arc::new(Time32MillisecondArray::from(vec![millis - millis % 1000; args.rows]))
            }
            TypeKind::Timestamp(_) => moments(local, args.rows).write(&kind)?,
            _ => moments(utc, args.rows).write(&kind)?,
        })
    }))
}

fn moments(millis: i64, rows: usize) -> Moments {
    Moments { millis: vec![millis; rows].into(), nanos: None, nulls: None }
}

fn infer_watermark(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 1)?;
    if !call.args[0].kind.is_timestamp() {
        return Err(call.mismatch_because("CURRENT_WATERMARK takes a time attribute."));
    }
    Ok(call.unchanged(call.args[0].clone().with_nullable(true)))
}

fn infer_source_watermark(call: &Inference<'_>) -> Result<Signature> {
    call.arity(0, 0)?;
    Ok(call.unchanged(LogicalType::new(TypeKind::TimestampLtz(3))))
}

fn source_watermark(args: &Args<'_>) -> Result<ArrayRef> {
    match args.rows {
        0 => Ok(arrow_array::new_empty_array(&TypeKind::TimestampLtz(3).arrow())),
        _ => Err(Error::invalid("SOURCE_WATERMARK() has no value")
            .with_detail("It says that a source makes its watermarks itself.")
            .with_hint("Use it alone in WATERMARK FOR .. AS SOURCE_WATERMARK().")),
    }
}

fn bind_watermark(binding: &Binding<'_>) -> Result<Kernel> {
    let kind = binding.ty.kind.clone();
    Ok(Box::new(move |args| {
        if args.cx.watermark == i64::MIN {
            return Ok(arrow_array::new_null_array(&kind.arrow(), args.rows));
        }
        let array = moments(args.cx.watermark, args.rows).write(&kind)?;
        debug_assert_eq!(array.len(), args.rows);
        Ok(array)
    }))
}
