//! Between times, texts and seconds since the epoch: `DATE_FORMAT`, `TO_DATE`, `TO_TIMESTAMP`,
//! `TO_TIMESTAMP_LTZ`, `UNIX_TIMESTAMP`, `FROM_UNIXTIME`.
//!
//! A text that is no date or time gives null. Texts without a zone are read, and `TIMESTAMP_LTZ`
//! values shown, in the session's zone.

use std::sync::Arc;

use arrow_array::types::{Date32Type, Float64Type, Int32Type, Int64Type};
use arrow_buffer::NullBuffer;
use flott_api::{Error, LogicalType, Result, TypeKind};

use super::civil::DAY_MS;
use super::moments::Moments;
use super::pattern::{Pattern, Repeating};
use super::zone::{Zone, ZoneCache};
use crate::cast::parse::{read_date, read_timestamp};
use crate::operand::{Args, Text};
use crate::registry::{Binding, Body, Function, Give, Infer, Inference, Kernel, Signature, Take};

pub(super) const DATE_FORMAT: Function =
    Function::new("date_format", Infer::By(infer_date_format), Body::Bound(bind_date_format));
pub(super) const TO_DATE: Function = Function::new("to_date", Infer::By(infer_to_date), Body::Bound(bind_to_date));
pub(super) const TO_TIMESTAMP: Function =
    Function::new("to_timestamp", Infer::By(infer_to_timestamp), Body::Bound(bind_to_timestamp));
pub(super) const TO_TIMESTAMP_LTZ: Function =
    Function::new("to_timestamp_ltz", Infer::By(infer_to_timestamp_ltz), Body::Bound(bind_to_timestamp_ltz));
pub(super) const UNIX_TIMESTAMP: Function =
    Function::new("unix_timestamp", Infer::By(infer_unix_timestamp), Body::Bound(bind_unix_timestamp)).stable();
pub(super) const FROM_UNIXTIME: Function = Function::new(
    "from_unixtime",
    Infer::Table(&[Take::BigInt, Take::Text], 1, Give::NullableString),
    Body::Bound(bind_from_unixtime),
);

const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// The pattern of a call: a constant one is understood once, another one whenever it changes.
struct Patterns {
    constant: Option<Pattern>,
    index: usize,
}

impl Patterns {
    fn bind(binding: &Binding<'_>, index: usize) -> Result<Patterns> {
        let constant = match binding.args.len() > index {
            true => binding.text(index).map(Pattern::parse).transpose()?,
            false => Some(Pattern::parse(DEFAULT_PATTERN)?),
        };
        Ok(Patterns { constant, index })
    }

    fn of<'a>(&'a self, args: &Args<'a>) -> Result<RowPatterns<'a>> {
        let texts = if self.constant.is_none() { Some(args.text(self.index)?) } else { None };
        Ok(RowPatterns { constant: self.constant.as_ref(), texts, last: None })
    }
}

struct RowPatterns<'a> {
    constant: Option<&'a Pattern>,
    texts: Option<Text<'a>>,
    last: Option<(&'a str, Pattern)>,
}

impl<'a> RowPatterns<'a> {
    fn get(&mut self, row: usize) -> Result<&Pattern> {
        let (None, Some(texts)) = (self.constant, &self.texts) else {
            return self.constant.ok_or_else(|| Error::internal("a pattern is missing"));
        };
        let text = texts.get(row);
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, Pattern::parse(text)?));
        }
        self.last.as_ref().map(|(_, p)| p).ok_or_else(|| Error::internal("a pattern is missing"))
    }
}

fn infer_date_format(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    let is_time = |kind: &TypeKind| kind.is_timestamp() || kind.is_character();
    if !is_time(&call.args[0].kind) || !call.args[1].kind.is_character() {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType::string()))
}

fn bind_date_format(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding, 1)?;
    let default = Pattern::parse(DEFAULT_PATTERN)?;
    let (kind, zone) = (binding.args[0].kind.clone(), binding.zone);
    Ok(Box::new(move |args| {
        let mut patterns = patterns.of(args)?;
        if kind.is_character() {
            let texts = args.text(0)?;
            return args.each_text(|row, out| {
                let Some(millis) = default.read_leniently(texts.get(row)) else { return Ok(false) };
                patterns.get(row)?.write(millis, 0, out);
                Ok(true)
            });
        }
        let moments = Moments::read(&args.operand(0)?.array)?;
        let stride = args.operand(0)?.stride();
        let mut zone = ZoneCache::new(if matches!(kind, TypeKind::TimestampLtz(_)) { zone } else { Zone::Fixed(0) });
        if let Some(mut repeating) = patterns.constant.map(Repeating::new) {
            return args.each_text(|row, out| {
                let at = row * stride;
                repeating.write(zone.local(moments.millis[at]), moments.nanos(at), out);
                Ok(true)
            });
        }
        args.each_text(|row, out| {
            let at = row * stride;
            patterns.get(row)?.write(zone.local(moments.millis[at]), moments.nanos(at), out);
            Ok(true)
        })
    }))
}

fn texts_only(call: &Inference<'_>, max: usize, ty: LogicalType) -> Result<Signature> {
    call.arity(1, max)?;
    match call.args.iter().all(|a| a.kind.is_character()) {
        true => Ok(call.unchanged(ty)),
        false => Err(call.mismatch()),
    }
}

fn infer_to_date(call: &Inference<'_>) -> Result<Signature> {
    texts_only(call, 2, LogicalType::new(TypeKind::Date))
}

fn bind_to_date(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding, 1)?;
    let plain = binding.args.len() == 1;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        args.each_number::<Date32Type>(|row| {
            if plain {
                return Ok(read_date(texts.get(row)));
            }
            let millis = patterns.get(row)?.read_leniently(texts.get(row));
            Ok(millis.map(|millis| millis.div_euclid(DAY_MS) as i32))
        })
    }))
}

fn infer_to_timestamp(call: &Inference<'_>) -> Result<Signature> {
    texts_only(call, 2, LogicalType::new(TypeKind::Timestamp(3)))
}

fn bind_to_timestamp(binding: &Binding<'_>) -> Result<Kernel> {
    text_to_moment(binding, Zone::Fixed(0), false)
}

/// Reads texts in a zone, by a pattern if the call has one. A text that is no time is null, or
/// `strict`ly a failure.
fn text_to_moment(binding: &Binding<'_>, zone: Zone, strict: bool) -> Result<Kernel> {
    let patterns = Patterns::bind(binding, 1)?;
    let plain = binding.args.len() == 1;
    let kind = binding.ty.kind.clone();
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        let mut zone = ZoneCache::new(zone);
        write_moments(args, &kind, |row| {
            let text = texts.get(row);
            let read = if plain { None } else { patterns.get(row)?.read(text) };
            // What does not match the pattern may still have the usual form.
            let read = read.or_else(|| read_timestamp(text.trim()));
            if read.is_none() && strict {
                return Err(Error::data(format!("text '{text}' could not be parsed as TIMESTAMP_LTZ")));
            }
            Ok(read.map(|(millis, nanos)| (zone.utc(millis), nanos)))
        })
    }))
}

fn write_moments(
    args: &Args<'_>,
    kind: &TypeKind,
    mut f: impl FnMut(usize) -> Result<Option<(i64, i32)>>,
) -> Result<arrow_array::ArrayRef> {
    let nulls = args.nulls();
    let (mut millis, mut nanos) = (vec![0; args.rows], vec![0; args.rows]);
    let mut valid = vec![false; args.rows];
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            continue;
        }
        if let Some((m, n)) = f(row)? {
            (millis[row], nanos[row], valid[row]) = (m, n, true);
        }
    }
    let nulls = Some(NullBuffer::from(valid));
    Moments { millis: millis.into(), nanos: Some(nanos.into()), nulls }.write(kind)
}

fn infer_to_timestamp_ltz(call: &Inference<'_>) -> Result<Signature> {
    call.arity(1, 3)?;
    let first = &call.args[0];
    if first.kind.is_character() {
        return texts_only(call, 3, LogicalType::new(TypeKind::TimestampLtz(3)));
    }
    let whole = call.args.get(1).is_none_or(|a| a.kind.is_integer());
    if !first.kind.is_numeric() || !whole || call.args.len() > 2 {
        return Err(call.mismatch());
    }
    let precision = call.literal_int(1).unwrap_or(3);
    if !(0..=9).contains(&precision) {
        return Err(no_precision(precision));
    }
    let kind = if first.kind.is_approximate() { TypeKind::Double } else { TypeKind::BigInt };
    let mut args = vec![LogicalType { kind, nullable: first.nullable }];
    args.extend(call.args.get(1).map(|a| LogicalType { kind: TypeKind::Int, nullable: a.nullable }));
    Ok(Signature { args, ty: LogicalType::new(TypeKind::TimestampLtz(precision.max(3) as u8)) })
}

fn no_precision(precision: i64) -> Error {
    Error::invalid(format!("TO_TIMESTAMP_LTZ has no precision {precision}"))
        .with_hint("The precision is 0 for seconds, 3 for milliseconds, up to 9 for nanoseconds.")
}

/// The moments that Flink accepts: years 0 to 9999.
const MOMENT_MIN_MS: i64 = -62_167_219_200_000;
const MOMENT_MAX_MS: i64 = 253_402_300_799_999;

fn bind_to_timestamp_ltz(binding: &Binding<'_>) -> Result<Kernel> {
    if binding.args[0].kind.is_character() {
        let zone = match (binding.args.len(), binding.text(2)) {
            (3, Some(name)) => Zone::parse(name)?,
            (3, None) => return Err(Error::unsupported("TO_TIMESTAMP_LTZ with a time zone that is no literal")),
            _ => binding.zone,
        };
        return text_to_moment(binding, zone, binding.args.len() == 1);
    }
    let kind = binding.ty.kind.clone();
    let is_double = binding.args[0].kind == TypeKind::Double;
    Ok(Box::new(move |args| {
        let precisions = if args.has(1) { Some(args.numbers::<Int32Type>(1)?) } else { None };
        let per_second = |row| match precisions.as_ref().map_or(3, |p| p.get(row)) {
            precision @ 0..=9 => Ok(10_i64.pow(precision.unsigned_abs())),
            other => Err(no_precision(other.into())),
        };
        if is_double {
            let values = args.numbers::<Float64Type>(0)?;
            return write_moments(args, &kind, |row| {
                let (value, per_second) = (values.get(row), per_second(row)?);
                Ok(moment(value as i64, value.fract(), per_second))
            });
        }
        let values = args.numbers::<Int64Type>(0)?;
        write_moments(args, &kind, |row| Ok(moment(values.get(row), 0.0, per_second(row)?)))
    }))
}

/// So many units, and a part of one, of which so many make a second.
fn moment(units: i64, part: f64, per_second: i64) -> Option<(i64, i32)> {
    let nanos_each = 1_000_000_000 / per_second;
    let nanos = units.rem_euclid(per_second) * nanos_each + (part * nanos_each as f64) as i64;
    let millis = units.div_euclid(per_second).checked_mul(1000)?.checked_add(nanos.div_euclid(1_000_000))?;
    let in_range = (MOMENT_MIN_MS..=MOMENT_MAX_MS).contains(&millis);
    in_range.then(|| (millis, nanos.rem_euclid(1_000_000) as i32))
}

fn infer_unix_timestamp(call: &Inference<'_>) -> Result<Signature> {
    call.arity(0, 2)?;
    if !call.args.iter().all(|a| a.kind.is_character()) {
        return Err(call.mismatch());
    }
    Ok(call.unchanged(LogicalType { kind: TypeKind::BigInt, nullable: call.nullable() }))
}

/// What Flink gives for a text that is no time.
const NO_TIME: i64 = i64::MIN;

fn bind_unix_timestamp(binding: &Binding<'_>) -> Result<Kernel> {
    if binding.args.is_empty() {
        return Ok(Box::new(|args| {
            let now = args.cx.processing_time_ms.div_euclid(1000);
            Ok(Arc::new(arrow_array::Int64Array::from(vec![now; args.rows])))
        }));
    }
    let patterns = Patterns::bind(binding, 1)?;
    let zone = binding.zone;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        let mut zone = ZoneCache::new(zone);
        args.each_number::<Int64Type>(|row| {
            let read = patterns.get(row)?.read_leniently(texts.get(row));
            // Java's older calendar, which Flink uses here, takes the later of two moments with one clock time.
            Ok(Some(read.map_or(NO_TIME, |millis| zone.utc_later(millis).div_euclid(1000))))
        })
    }))
}

fn bind_from_unixtime(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding, 1)?;
    let zone = binding.zone;
    Ok(Box::new(move |args| {
        let (seconds, mut patterns) = (args.numbers::<Int64Type>(0)?, patterns.of(args)?);
        debug_assert!(seconds.array.len() <= args.rows.max(1));
        let mut zone = ZoneCache::new(zone);
        if let Some(mut repeating) = patterns.constant.map(Repeating::new) {
            return args.each_text(|row, out| {
                repeating.write(zone.local(seconds.get(row).saturating_mul(1000)), 0, out);
                Ok(true)
            });
        }
        args.each_text(|row, out| {
            let local = zone.local(seconds.get(row).saturating_mul(1000));
            patterns.get(row)?.write(local, 0, out);
            Ok(true)
        })
    }))
}
