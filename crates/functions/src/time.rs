//! Dates, times and time zones: the calendar, the session zone, and the functions on them.

pub(crate) mod arithmetic;
pub(crate) mod civil;
mod convert;
mod convert_tz;
mod current;
pub(crate) mod extract;
pub(crate) mod local;
pub(crate) mod moments;
mod pattern;
mod round;
pub(crate) mod zone;

use crate::registry::Function;

pub(crate) use round::{bind as round_bind, infer as round_infer};

/// The functions of this family.
pub(crate) const FUNCTIONS: &[Function] = &[
    arithmetic::TIMESTAMP_ADD,
    arithmetic::TIMESTAMP_DIFF,
    arithmetic::MINUS_DATES,
    convert::DATE_FORMAT,
    convert_tz::CONVERT_TZ,
    convert::FROM_UNIXTIME,
    convert::TO_DATE,
    convert::TO_TIMESTAMP,
    convert::TO_TIMESTAMP_LTZ,
    convert::UNIX_TIMESTAMP,
    current::CURRENT_DATE,
    current::CURRENT_TIME,
    current::CURRENT_TIMESTAMP,
    current::CURRENT_WATERMARK,
    current::LOCALTIME,
    current::LOCALTIMESTAMP,
    current::NOW,
    current::PROCTIME,
    current::SOURCE_WATERMARK,
    extract::EXTRACT,
    extract::YEAR,
    extract::QUARTER,
    extract::MONTH,
    extract::WEEK,
    extract::DAY_OF_YEAR,
    extract::DAY_OF_MONTH,
    extract::DAY_OF_WEEK,
    extract::HOUR,
    extract::MINUTE,
    extract::SECOND,
];
