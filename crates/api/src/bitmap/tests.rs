//! Sets and counts against plain ones, and bytes against those that Flink writes.

use std::collections::BTreeMap;

use super::*;

fn bitmap(values: &[i32]) -> Bitmap {
    values.iter().copied().collect()
}

fn bytes(values: &[i32]) -> Vec<u8> {
    let mut out = Vec::new();
    bitmap(values).write(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect()
}

#[test]
fn bytes_are_flinks() {
    for (values, expected) in [
        (&[][..], "3A30000000000000"),
        (&[1, 2, 3], "3A300000010000000000020010000000010002000300"),
        (&[1, 2, 3, 4], "3B3000000100000300010001000300"),
        (&[-1], "3A30000001000000FFFF000010000000FFFF"),
    ] {
        assert_eq!(hex(&bytes(values)), expected, "{values:?}");
    }
}

#[test]
fn equal_sets_have_equal_bytes_whatever_they_were() {
    // One run of three takes as much as three values.
    let mut runs: Vec<u8> = vec![0x3b, 0x30, 1, 0, 3, 0, 0, 2, 0];
    runs.extend([1, 0, 4, 0, 1, 0, 1, 0, 2, 0, 1, 0, 1, 0, 1, 0]);
    let mut read = Bitmap::read(&runs).unwrap();
    assert_eq!(read.iter().collect::<Vec<_>>(), [1, 2, 3, 65537, 65538]);
    let mut out = Vec::new();
    read.write(&mut out);
    assert_eq!(out, bytes(&[1, 2, 3, 65537, 65538]));
    // What became short of a long run.
    let mut long: Bitmap = (0..100).collect();
    long.write(&mut Vec::new());
    let mut other: Bitmap = (97..200).collect();
    other.write(&mut Vec::new());
    long.and(&other);
    out.clear();
    long.write(&mut out);
    assert_eq!(out, bytes(&[97, 98, 99]));
}

#[test]
fn the_head_says_how_many_there_are() {
    for values in [vec![], vec![7], (0..70_000).collect(), (0..200_000).step_by(3).collect::<Vec<i32>>()] {
        let bytes = bytes(&values);
        assert_eq!(cardinality(&bytes).unwrap(), values.len() as u64);
        assert_eq!(Bitmap::read(&bytes).unwrap(), bitmap(&values));
        for end in (0..bytes.len().min(40)).chain(bytes.len().saturating_sub(5)..bytes.len()) {
            assert!(Bitmap::read(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
        assert!(cardinality(&bytes[..7]).is_err());
    }
}

#[test]
fn bytes_that_lie_are_errors() {
    let lies: [&[u8]; 6] = [
        // More containers than there can be, and so many that are not there.
        &[0x3a, 0x30, 0, 0, 255, 255, 255, 255],
        &[0x3a, 0x30, 0, 0, 0, 0, 1, 0],
        &[0x3b, 0x30, 255, 255, 0],
        // 65,536 values that are not there, a run past the end, values that do not ascend.
        &[0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 255, 255, 16, 0, 0, 0, 1, 0],
        &[0x3b, 0x30, 0, 0, 1, 0, 0, 5, 0, 1, 0, 255, 255, 5, 0],
        &[0x3a, 0x30, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 3, 0, 3, 0],
    ];
    for bytes in lies {
        assert_eq!(Bitmap::read(bytes).unwrap_err().message(), "the bytes are no bitmap", "{bytes:?}");
    }
    assert!(cardinality(lies[0]).is_err() && cardinality(lies[1]).is_err());
}

#[test]
fn texts_are_unsigned_and_end() {
    assert_eq!(bitmap(&[]).to_string(), "{}");
    assert_eq!(bitmap(&[-1, 0, 7]).to_string(), "{0,7,4294967295}");
    let text = (100_000..300_000).collect::<Bitmap>().to_string();
    assert!(text.len() > TEXT_BYTES && text.len() < TEXT_BYTES + 16 && text.ends_with(",...}"), "{}", text.len());
}

/// What is counted next: numbers that look random.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn check(counts: &BitmapCounts, plain: &BTreeMap<i32, i64>) {
    let of = |keep: &dyn Fn(i64) -> bool| {
        bitmap(&plain.iter().filter(|(_, c)| keep(**c)).map(|(v, _)| *v).collect::<Vec<_>>())
    };
    assert_eq!(counts.positive(), of(&|c| c > 0));
    assert_eq!(counts.counted(), of(&|c| c != 0));
    for count in [1, 2, 3, 4, 5, 8, 100] {
        assert_eq!(counts.exactly(count), of(&|c| c == count), "{count}");
    }
    let some = bitmap(&[0, 1, 2, 3, 4, 5, 6]);
    let mut expected = of(&|c| c > 0);
    expected.and(&some);
    assert_eq!(counts.positive_of(&some), expected);
    let (planes, sign) = counts.parts();
    assert!(planes.last() != Some(sign), "the last plane says no more than the sign");
}

#[test]
fn counts_are_those_of_a_map() {
    let mut state = 7;
    let (mut counts, mut plain) = (BitmapCounts::default(), BTreeMap::new());
    for step in 0..600 {
        let values: Vec<i32> = (0..next(&mut state) % 6).map(|_| (next(&mut state) % 12) as i32 - 3).collect();
        // More up than down for a while, then more down.
        let up = next(&mut state) % 10 < if step < 300 { 6 } else { 4 };
        let by = if up { 1 } else { -1 };
        match step % 2 {
            0 => {
                let values = bitmap(&values);
                counts.count(&values, up);
                values.iter().for_each(|v| *plain.entry(v).or_insert(0) += by);
            }
            _ => values.iter().for_each(|v| {
                let count = plain.entry(*v).or_insert(0);
                let before = *count > 0;
                *count += by;
                assert_eq!(counts.count_one(*v, up), (before, *count > 0));
            }),
        }
        check(&counts, &plain);
    }
}

#[test]
fn counts_are_added_and_taken_away() {
    let mut state = 11;
    let mut random = || {
        let (mut counts, mut plain) = (BitmapCounts::default(), BTreeMap::new());
        for _ in 0..next(&mut state) % 60 {
            let (value, up) = ((next(&mut state) % 9) as i32, next(&mut state) % 5 < 3);
            counts.count_one(value, up);
            *plain.entry(value).or_insert(0) += if up { 1 } else { -1 };
        }
        (counts, plain)
    };
    let (mut counts, mut plain) = random();
    for step in 0..200 {
        let (other, others) = random();
        let up = step % 3 != 1;
        counts.add(&other, up);
        others.iter().for_each(|(v, c)| *plain.entry(*v).or_insert(0) += if up { *c } else { -*c });
        check(&counts, &plain);
    }
    let copy = counts.clone();
    counts.add(&copy, false);
    assert_eq!(counts, BitmapCounts::default());
    assert_eq!(counts.memory_bytes(), size_of::<Bitmap>());
}
