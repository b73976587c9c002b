//! `CONVERT_TZ(text, from, to)`: a date and time as `yyyy-MM-dd HH:mm:ss` in one time zone, written in another.
//!
//! `CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')` is `1969-12-31 16:00:00`. A text that is no such
//! time gives null. Zones are named as Java names them: `Europe/Berlin`, `GMT+08:00`, `PST`; a name that does not exist
//! is GMT.

use arrow_array::ArrayRef;
use flott_api::{LogicalType, Result};

use super::pattern::Pattern;
use super::zone::{Zone, ZoneCache};
use crate::operand::{Args, Text};
use crate::registry::{Binding, Body, Function, Infer, Inference, Kernel, Signature};

pub(super) const CONVERT_TZ: Function = Function::new("convert_tz", Infer::By(infer), Body::Bound(bind));

/// Java's names of three letters, which are older than those of the time zone database.
const SHORT_NAMES: [(&str, &str); 25] = [
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

fn infer(call: &Inference<'_>) -> Result<Signature> {
    call.arity(3, 3)?;
    match call.args.iter().all(|a| a.kind.is_character()) {
        true => Ok(call.unchanged(LogicalType::string().with_nullable(true))),
        false => Err(call.mismatch()),
    }
}

fn bind(_: &Binding<'_>) -> Result<Kernel> {
    let pattern = Pattern::parse("yyyy-MM-dd HH:mm:ss")?;
    Ok(Box::new(move |args| convert(args, &pattern)))
}

fn convert(args: &Args<'_>, pattern: &Pattern) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let (mut from, mut to) = (RowZone::new(args.text(1)?), RowZone::new(args.text(2)?));
    args.each_text(|row, out| {
        let Some(local) = pattern.read_leniently(texts.get(row)) else { return Ok(false) };
        let utc = from.at(row).utc_later(local);
        pattern.write(to.at(row).local(utc), 0, out);
        Ok(true)
    })
}

/// The zone of each row, looked up when its name changes.
struct RowZone<'a> {
    names: Text<'a>,
    name: Option<&'a str>,
    zone: ZoneCache,
}

impl<'a> RowZone<'a> {
    fn new(names: Text<'a>) -> Self {
        RowZone { names, name: None, zone: ZoneCache::new(Zone::Fixed(0)) }
    }

    fn at(&mut self, row: usize) -> &mut ZoneCache {
        let name = self.names.get(row);
        if self.name != Some(name) {
            (self.name, self.zone) = (Some(name), ZoneCache::new(zone(name)));
        }
        &mut self.zone
    }
}

fn zone(name: &str) -> Zone {
    if let Some(offset) = name.strip_prefix("GMT") {
        return Zone::Fixed(offset_ms(offset).unwrap_or(0));
    }
    let name = SHORT_NAMES.iter().find(|(short, _)| *short == name).map_or(name, |(_, name)| name);
    name.parse().map_or(Zone::Fixed(0), Zone::Named)
}

/// `+8`, `+08`, `+0830` or `+08:30`.
fn offset_ms(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) => (hours, minutes),
        (None, 1 | 2) => (digits, "00"),
        (None, 3 | 4) if digits.is_ascii() => digits.split_at(digits.len() - 2),
        _ => return None,
    };
    let number = |text: &str, max: i64| {
        let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number: &i64| digits && *number <= max)
    };
    let minutes = number(minutes, 59).filter(|_| minutes.len() == 2)?;
    Some(sign * (number(hours, 23)? * 60 + minutes) * 60_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_named_as_in_java() {
        assert_eq!(zone("GMT+8"), Zone::Fixed(8 * 3_600_000));
        assert_eq!(zone("GMT-0830"), Zone::Fixed(-(8 * 60 + 30) * 60_000));
        for gmt in ["GMT", "GMT+24", "GMT+8:3", "+08:00", "bad", "", "GMT+ü1"] {
            assert_eq!(zone(gmt), Zone::Fixed(0), "{gmt}");
        }
        for (short, name) in SHORT_NAMES {
            assert_eq!(zone(short), Zone::Named(name.parse().unwrap()), "{short}");
        }
    }
}
