//! Between dates, times and timestamps; the session zone stands between `TIMESTAMP` and
//! `TIMESTAMP_LTZ`.

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Time32MillisecondType};
use arrow_array::{Array, ArrayRef, Date32Array, Time32MillisecondArray};
use flott_api::{Error, Result, TypeKind};

use super::{Cast, arc};
use crate::time::civil::DAY_MS;
use crate::time::moments::Moments;
use crate::time::zone::{Zone, ZoneCache};

/// The cast between two types of time.
pub(super) fn cast(from: &TypeKind, to: &TypeKind, zone: Zone) -> Result<Cast> {
    use TypeKind::*;
    let is_ltz = |kind: &TypeKind| matches!(kind, TimestampLtz(_));
    let (from_ltz, to_ltz) = (is_ltz(from), is_ltz(to));
    let target = to.clone();
    Ok(match (from, to) {
        (Time(_), Time(p)) => {
            let step = 10_i32.pow(3 - u32::from((*p).min(3)));
            Box::new(move |a| {
                let cut: Time32MillisecondArray = a.as_primitive::<Time32MillisecondType>().unary(|v| v - v % step);
                Ok(arc(cut))
            })
        }
        (Date | Time(_), Timestamp(_) | TimestampLtz(_)) => Box::new(move |a| {
            let moments = from_part(a)?;
            if to_ltz { to_utc(moments, zone).write(&target) } else { moments.write(&target) }
        }),
        (_, Date) => Box::new(move |a| {
            let Moments { millis, nulls, .. } = local(Moments::read(a)?, from_ltz, zone);
            // Flink divides towards 0 where no zone is asked, so a time before 1970 may give the next day.
            let day = |m: &i64| if from_ltz { m.div_euclid(DAY_MS) } else { m / DAY_MS };
            let days = millis.iter().map(|m| day(m) as i32).collect();
            Ok(arc(Date32Array::try_new(days, nulls)?))
        }),
        (_, Time(p)) => {
            let step = 10_i64.pow(3 - u32::from((*p).min(3)));
            Box::new(move |a| {
                let Moments { millis, nulls, .. } = local(Moments::read(a)?, from_ltz, zone);
                // As with dates: the timestamp is cut towards 0 before its time is taken, unless it has come from a zone.
                let begin = |m: i64| if from_ltz { m.rem_euclid(DAY_MS) } else { m };
                let cut = |m: i64| (m - m % step).rem_euclid(DAY_MS) as i32;
                let times = millis.iter().map(|m| cut(begin(*m))).collect();
                Ok(arc(Time32MillisecondArray::try_new(times, nulls)?))
            })
        }
        (Timestamp(_) | TimestampLtz(_), Timestamp(_) | TimestampLtz(_)) => Box::new(move |a| {
            let moments = Moments::read(a)?;
            match (from_ltz, to_ltz) {
                (false, true) => to_utc(moments, zone).write(&target),
                (true, false) => local(moments, true, zone).write(&target),
                _ => moments.write(&target),
            }
        }),
        _ => return Err(Error::internal(format!("{from} cannot become {to}"))),
    })
}

/// A date at midnight, or a time on 1970-01-01.
fn from_part(array: &ArrayRef) -> Result<Moments> {
    let nulls = array.nulls().cloned();
    let millis = if let Some(days) = array.as_primitive_opt::<Date32Type>() {
        days.values().iter().map(|&d| i64::from(d) * DAY_MS).collect()
    } else if let Some(times) = array.as_primitive_opt::<Time32MillisecondType>() {
        times.values().iter().map(|&t| i64::from(t)).collect()
    } else {
        return Err(Error::internal("a date or time has another layout"));
    };
    Ok(Moments { millis, nanos: None, nulls })
}

fn to_utc(moments: Moments, zone: Zone) -> Moments {
    let mut zone = ZoneCache::new(zone);
    moments.map_millis(|m| zone.utc(m))
}

fn local(moments: Moments, ltz: bool, zone: Zone) -> Moments {
    if !ltz {
        return moments;
    }
    let mut zone = ZoneCache::new(zone);
    moments.map_millis(|m| zone.local(m))
}
