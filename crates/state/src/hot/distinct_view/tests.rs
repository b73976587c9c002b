//! The view with several filters; with one it is tested as a map view.

use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, StringArray};

use super::*;
use Change::{Add, Retract, Skip};

const FOR_EVER: MapViewOptions = MapViewOptions { retract: false, ttl_ms: 0 };
const RETRACTING: MapViewOptions = MapViewOptions { retract: true, ttl_ms: 0 };

fn shape(filters: usize) -> DistinctShape {
    DistinctShape { ty: DataType::Int64, nulls: false, filters, counted: false }
}

fn ints(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// What rows of group 0 do behind each of two filters.
fn two(view: &mut dyn DistinctView, rows: &[(i64, u8, Change)], now_ms: i64) -> [Vec<Change>; 2] {
    let values = ints(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
    let (filters, changes): (Vec<u8>, Vec<Change>) = rows.iter().map(|row| (row.1, row.2)).unzip();
    let only_come = changes.iter().all(|change| *change == Add);
    let by = By::Rows(&filters, (!only_come).then_some(&changes));
    let changed = view.count(&DistinctRows { values: &values, groups: &vec![0; rows.len()], by }, now_ms).unwrap();
    [changed.under(0), changed.under(1)]
}

#[test]
fn each_filter_sees_the_first_of_its_rows() {
    for options in [FOR_EVER, RETRACTING, MapViewOptions { retract: false, ttl_ms: 1000 }] {
        let mut view = distinct_view(&shape(2), options).unwrap();
        let rows = [(7, 0b01, Add), (7, 0b11, Add), (7, 0b11, Add), (8, 0b10, Add), (8, 0, Add)];
        assert_eq!(two(view.as_mut(), &rows, 5), [[Add, Skip, Skip, Skip, Skip], [Skip, Add, Skip, Add, Skip]]);
    }
}

#[test]
fn each_filter_sees_the_last_of_its_rows_go() {
    let mut view = distinct_view(&shape(2), RETRACTING).unwrap();
    let rows = [(7, 0b11, Add), (7, 0b01, Add), (7, 0b11, Retract), (7, 0b11, Skip), (7, 0b01, Retract)];
    assert_eq!(two(view.as_mut(), &rows, 0), [[Add, Skip, Skip, Skip, Retract], [Add, Skip, Retract, Skip, Skip]]);
    assert!(view.entries(&[0]).unwrap().places.is_empty());
}

#[test]
fn a_value_expires_for_each_filter_by_itself() {
    let mut view = distinct_view(&shape(2), MapViewOptions { retract: false, ttl_ms: 1000 }).unwrap();
    assert_eq!(two(view.as_mut(), &[(7, 0b01, Add)], 0), [[Add], [Skip]]);
    assert_eq!(two(view.as_mut(), &[(7, 0b10, Add)], 600), [[Skip], [Add]]);
    assert_eq!(two(view.as_mut(), &[(7, 0b11, Add)], 1200), [[Add], [Skip]]);
}

#[test]
fn what_only_comes_does_not_go() {
    let mut view = distinct_view(&shape(2), FOR_EVER).unwrap();
    let values = ints(&[7]);
    let mut count = |by| view.count(&DistinctRows { values: &values, groups: &[0], by }, 0);
    assert!(count(By::Rows(&[1], Some(&[Retract]))).is_err());
    assert!(count(By::Counts(&[1, -1])).is_err());
    assert!(count(By::Counts(&[1, 0])).is_ok());
}

#[test]
fn a_view_of_bits_reads_what_one_of_counts_wrote() {
    let mut counts = distinct_view(&shape(2), RETRACTING).unwrap();
    two(counts.as_mut(), &[(7, 0b01, Add), (7, 0b01, Add), (8, 0b11, Add)], 0);
    let mut bits = distinct_view(&shape(2), FOR_EVER).unwrap();
    for filter in 0..2 {
        let mut bytes = Vec::new();
        counts.save(0, filter, &mut bytes);
        let mut input = bytes.as_slice();
        bits.load(0, filter, &mut input, 0).unwrap();
        assert!(input.is_empty());
        assert!(bits.load(1, filter, &mut &bytes[..bytes.len() - 1], 0).is_err());
        let mut again = Vec::new();
        bits.save(0, filter, &mut again);
        // How often a value came is forgotten, that it came is not.
        let expected: &[u8] = if filter == 0 { &[2, 14, 2, 0, 16, 2, 0] } else { &[1, 16, 2, 0] };
        assert_eq!(again, expected);
    }
    assert_eq!(two(bits.as_mut(), &[(7, 0b11, Add), (8, 0b11, Add)], 0), [[Skip, Skip], [Add, Skip]]);
}

#[test]
fn what_is_written_is_read_and_taken_up() {
    for options in [FOR_EVER, RETRACTING] {
        let mut part = distinct_view(&shape(2), options).unwrap();
        two(part.as_mut(), &[(7, 0b01, Add), (8, 0b11, Add), (7, 0b01, Add)], 0);
        let mut bytes = Vec::new();
        part.write(9, &mut bytes);
        part.write(0, &mut bytes);
        let (mut reader, mut input) = (distinct_reader(&shape(2), options).unwrap(), bytes.as_slice());
        (0..2).for_each(|place| reader.read(place, &mut input).unwrap());
        assert!(input.is_empty() && reader.read(2, &mut &bytes[1..bytes.len() - 1]).is_err());
        let mut reader = distinct_reader(&shape(2), options).unwrap();
        reader.read(3, &mut &bytes[1..]).unwrap();
        let DistinctEntries { values, places, seen } = reader.end().unwrap();
        assert_eq!(
            (values.as_primitive::<Int64Type>().values().as_ref(), places.as_slice()),
            (&[7, 8][..], &[3, 3][..])
        );
        let by = match &seen {
            SeenEntries::Bits(bits) => By::Rows(bits, None),
            SeenEntries::Counts(counts) => By::Counts(counts),
        };
        let mut whole = distinct_view(&shape(2), options).unwrap();
        let changed = whole.count(&DistinctRows { values: &values, groups: &[0, 0], by }, 0).unwrap();
        assert_eq!([changed.under(0), changed.under(1)], [[Add, Add], [Skip, Add]]);
        if options.retract {
            assert_eq!(two(whole.as_mut(), &[(7, 0b01, Retract), (7, 0b01, Retract)], 0)[0], [Skip, Retract]);
        }
    }
}

#[test]
fn nulls_and_values_of_any_type_are_seen() {
    let nullable: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), None, None]));
    for (nulls, expected) in [(true, [Add, Add, Skip]), (false, [Add, Skip, Skip])] {
        let shape = DistinctShape { nulls, ..shape(1) };
        let mut view = distinct_view(&shape, FOR_EVER).unwrap();
        let rows = DistinctRows { values: &nullable, groups: &[0; 3], by: By::Rows(&[1; 3], None) };
        assert_eq!(view.count(&rows, 0).unwrap().under(0), expected);
        let mut bytes = Vec::new();
        view.write(0, &mut bytes);
        let mut reader = distinct_reader(&shape, FOR_EVER).unwrap();
        reader.read(0, &mut bytes.as_slice()).unwrap();
        assert_eq!(&reader.end().unwrap().values, &view.entries(&[0]).unwrap().values);
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
    let mut view = distinct_view(&DistinctShape { ty: DataType::Utf8, ..shape(1) }, FOR_EVER).unwrap();
    let rows = DistinctRows { values: &texts, groups: &[0; 3], by: By::Rows(&[1; 3], None) };
    assert_eq!(view.count(&rows, 0).unwrap().under(0), [Add, Add, Skip]);
    assert_eq!(view.entries(&[0]).unwrap().values.len(), 2);
}

#[test]
fn more_filters_than_a_view_can_are_refused() {
    for options in [FOR_EVER, RETRACTING] {
        assert!(distinct_view(&shape(FILTERS_MAX), options).is_ok());
        assert!(distinct_view(&shape(FILTERS_MAX + 1), options).is_err());
    }
}
