//! Ranges of `_id` as conditions, in the order in which MongoDB sorts values of different types.
//!
//! A comparison takes only values of the type that it names: the types that come before or behind are named beside it. So an
//! index gives each range, and ranges that follow each other miss nothing and have nothing twice.
//!
//! **What it does not do.** An `_id` of a type that is deprecated (a symbol, a pointer, JavaScript), the smallest and the
//! greatest key, and NaN are of no range.

use bson::{Bson, Document, doc};

use crate::kinds::ID;

/// Types of an `_id` as `$type` knows them, in order.
const TYPES: [&str; 9] = ["null", "number", "string", "object", "binData", "objectId", "bool", "date", "timestamp"];

/// A range of `_id`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Range {
    /// The first one of it; nothing if it begins with the first one of all.
    pub(crate) from: Option<Bson>,
    /// The first one behind it.
    pub(crate) until: Option<Bson>,
}

/// Which of the types an `_id` is of, if it is of one that has a range.
pub(crate) fn class(id: &Bson) -> Option<usize> {
    let name = match id {
        Bson::Null => "null",
        Bson::Double(n) if n.is_nan() => return None,
        Bson::Double(_) | Bson::Int32(_) | Bson::Int64(_) => "number",
        Bson::Decimal128(n) if crate::decimal::parts(*n) != crate::decimal::Parts::NotANumber => "number",
        Bson::String(_) => "string",
        Bson::Document(_) => "object",
        Bson::Binary(_) => "binData",
        Bson::ObjectId(_) => "objectId",
        Bson::Boolean(_) => "bool",
        Bson::DateTime(_) => "date",
        Bson::Timestamp(_) => "timestamp",
        _ => return None,
    };
    TYPES.iter().position(|t| *t == name)
}

impl Range {
    /// Ranges between these ids, which rise, and beyond them.
    pub(crate) fn between(ids: impl IntoIterator<Item = Bson>) -> Vec<Range> {
        let mut ranges = vec![Range::default()];
        for id in ids {
            let last = ranges.len() - 1;
            // Samples may be the same one.
            if ranges[last].from.as_ref() == Some(&id) {
                continue;
            }
            ranges[last].until = Some(id.clone());
            ranges.push(Range { from: Some(id), until: None });
        }
        ranges
    }

    /// The conditions of what is left of it behind `last`.
    pub(crate) fn conditions(&self, last: Option<&Bson>) -> Vec<Document> {
        let lower = match last {
            Some(last) => Some(compared("$gt", last)),
            None => self.from.as_ref().map(|from| compared("$gte", from)),
        };
        lower.into_iter().chain(self.until.as_ref().map(|until| compared("$lt", until))).collect()
    }
}

/// Ids that compare so, of whatever type.
fn compared(sign: &str, id: &Bson) -> Document {
    let class = class(id).unwrap_or(0);
    let others: &[&str] = if sign == "$lt" { &TYPES[..class] } else { &TYPES[class + 1..] };
    let same = doc! { ID: { sign: id.clone() } };
    if others.is_empty() {
        return same;
    }
    doc! { "$or": [same, { ID: { "$type": others.iter().map(|t| Bson::from(*t)).collect::<Vec<_>>() } }] }
}

/// All of these conditions.
pub(crate) fn all_of(mut conditions: Vec<Document>) -> Document {
    match conditions.len() {
        0 => Document::new(),
        1 => conditions.remove(0),
        _ => doc! { "$and": conditions },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_each_other() {
        let ranges = Range::between([Bson::Int32(3), Bson::Int32(3), "x".into()]);
        assert_eq!(ranges.len(), 3);
        assert_eq!(ranges[0], Range { from: None, until: Some(3.into()) });
        assert_eq!(ranges[1], Range { from: Some(3.into()), until: Some("x".into()) });
        assert_eq!(ranges[2], Range { from: Some("x".into()), until: None });
        assert_eq!(Range::between([]), [Range::default()]);
    }

    #[test]
    fn comparisons_name_the_types_on_their_side() {
        let range = Range { from: Some(3.into()), until: Some("x".into()) };
        let behind = ["string", "object", "binData", "objectId", "bool", "date", "timestamp"].map(Bson::from).to_vec();
        let upper = doc! { "$or": [{ "_id": { "$lt": "x" } }, { "_id": { "$type": ["null", "number"] } }] };
        assert_eq!(
            range.conditions(None),
            [doc! { "$or": [{ "_id": { "$gte": 3 } }, { "_id": { "$type": behind.clone() } }] }, upper.clone()]
        );
        assert_eq!(
            range.conditions(Some(&5.into())),
            [doc! { "$or": [{ "_id": { "$gt": 5 } }, { "_id": { "$type": behind } }] }, upper]
        );
        assert!(Range::default().conditions(None).is_empty());
        assert_eq!(all_of(vec![doc! { "a": 1 }]), doc! { "a": 1 });
    }

    #[test]
    fn the_types_without_a_range_are_known() {
        assert_eq!(class(&Bson::MinKey), None);
        assert_eq!(class(&Bson::Double(f64::NAN)), None);
        assert_eq!(class(&Bson::Double(1.0)), class(&Bson::Int64(1)));
    }
}
