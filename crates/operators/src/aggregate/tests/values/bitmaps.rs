//! Aggregates of bitmaps in every way.

use flott_api::ErrorKind;

use super::*;

fn build(name: &str) -> Case {
    Case::new(name, &[TypeKind::Int], if name.contains("cardinality") { TypeKind::BigInt } else { TypeKind::Bitmap })
}

fn of(name: &str) -> Case {
    Case { input: Case::new(name, &[TypeKind::Bitmap], TypeKind::Bitmap).input, ..build(name) }
}

/// The same rows give these values, and these many.
fn check(case: fn(&str) -> Case, name: &str, rows: &[&str], expected: &[&str]) {
    let counts = expected.iter().map(|text| match *text {
        NULL => NULL.to_owned(),
        "{}" => "0".to_owned(),
        text => text.split(',').count().to_string(),
    });
    let counts: Vec<String> = counts.collect();
    let cardinality = name.replace("_agg", "_cardinality_agg");
    let added = !rows.iter().any(|row| row.starts_with('-'));
    for retract in [false, true].into_iter().filter(|retract| *retract || added) {
        let with = |case: Case| Case { retract, ..case };
        assert_eq!(running(&with(case(name)), rows), expected, "{name}, retract {retract}");
        assert_eq!(running(&with(case(&cardinality)), rows), counts, "{cardinality}, retract {retract}");
    }
}

#[test]
fn integers_make_a_bitmap() {
    let expected = [NULL, "{5}", "{5,4294967295}", "{5,4294967295}", "{0,5,4294967295}"];
    check(build, "bitmap_build_agg", &["+NULL", "+5", "+-1", "+5", "+0"], &expected);
    let rows = ["+5", "+3", "+5", "-5", "-3", "-NULL", "-5", "-9", "+9", "+9"];
    let expected = ["{5}", "{3,5}", "{3,5}", "{3,5}", "{5}", "{5}", NULL, NULL, NULL, "{9}"];
    check(build, "bitmap_build_agg", &rows, &expected);
    let distinct = build("bitmap_build_agg").distinct().retracting();
    assert_eq!(running(&distinct, &["+5", "+5", "-5", "+3", "-5"]), ["{5}", "{5}", "{5}", "{3,5}", "{3}"]);
}

#[test]
fn bitmaps_are_put_together() {
    let rows = ["+NULL", "+{1,2,3,9}", "+{2,3}", "+{}", "+{3}"];
    check(of, "bitmap_or_agg", &rows, &[NULL, "{1,2,3,9}", "{1,2,3,9}", "{1,2,3,9}", "{1,2,3,9}"]);
    check(of, "bitmap_and_agg", &rows, &[NULL, "{1,2,3,9}", "{2,3}", "{}", "{}"]);
    check(of, "bitmap_xor_agg", &rows, &[NULL, "{1,2,3,9}", "{1,9}", "{1,9}", "{1,3,9}"]);
}

#[test]
fn bitmaps_are_taken_back() {
    let rows = ["+{1,2}", "+{2,3}", "+{2}", "-{1,2}", "+NULL", "-{2}", "-{2,3}", "-NULL"];
    check(of, "bitmap_or_agg", &rows, &["{1,2}", "{1,2,3}", "{1,2,3}", "{2,3}", "{2,3}", "{2,3}", NULL, NULL]);
    check(of, "bitmap_and_agg", &rows, &["{1,2}", "{2}", "{2}", "{2}", "{2}", "{2,3}", NULL, NULL]);
    check(of, "bitmap_xor_agg", &rows, &["{1,2}", "{1,3}", "{1,2,3}", "{3}", "{3}", "{2,3}", NULL, NULL]);
}

/// As recorded in Flink's own tests of retractions that come too early.
#[test]
fn a_bitmap_that_is_missing_is_not_there_when_it_comes() {
    let rows = ["-{2,4}", "+{2,3,4}", "+{2,4}", "+{4,5}"];
    check(of, "bitmap_or_agg", &rows, &[NULL, NULL, "{2,3,4}", "{2,3,4,5}"]);
    check(of, "bitmap_and_agg", &rows, &[NULL, NULL, "{2,3,4}", "{4}"]);
    check(of, "bitmap_xor_agg", &rows, &[NULL, NULL, "{2,3,4}", "{2,3,5}"]);
}

#[test]
fn memory_is_counted_and_given_back() {
    for (name, retract) in [("bitmap_or_agg", false), ("bitmap_or_agg", true), ("bitmap_xor_agg", true)] {
        let case = Case { retract, ..of(name) };
        let plan = case.plan();
        let mut groups = plan.groups().unwrap();
        groups.grow(2);
        fed(&case, &mut groups, (&["+{}"], 1), |g, rows| g.fold(&plan, rows).unwrap());
        let empty = groups.memory_bytes();
        let many = format!("+{{{}}}", (0..5000).map(|i| (i * 70_000_u32).to_string()).collect::<Vec<_>>().join(","));
        fed(&case, &mut groups, (&[&many], 1), |g, rows| g.fold(&plan, rows).unwrap());
        assert!(groups.memory_bytes() > empty + 5000 * 40, "{name}: {empty} and {}", groups.memory_bytes());
        groups.clear(1);
        assert!(groups.memory_bytes() <= empty, "{name}: {empty} and {}", groups.memory_bytes());
    }
}

#[test]
fn damaged_bitmaps_are_errors() {
    let case = of("bitmap_or_agg").retracting();
    let plan = case.plan();
    let mut groups = plan.groups().unwrap();
    fed(&case, &mut groups, (&["+{1,2,3,70000}", "+{3}"], 0), |g, rows| g.fold(&plan, rows).unwrap());
    let mut values = Values::default();
    groups.save(&[0], &mut values).unwrap();
    let bytes = values.get(0).to_vec();
    for place in 0..bytes.len() {
        let mut other = bytes.clone();
        other[place] ^= 0x55;
        let mut read = plan.groups().unwrap();
        read.grow(1);
        // Whatever it says, it says so without a panic.
        let error = read.load(&[0], &[&other], 0).err();
        assert!(error.is_none_or(|e| e.kind() == ErrorKind::Corrupt), "byte {place}");
        assert!(read.load(&[0], &[&bytes[..place]], 0).is_err(), "cut at {place}");
    }
}
