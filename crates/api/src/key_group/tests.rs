//! Golden vectors: what they say may never change.

use std::sync::Arc;

use arrow_array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
    StructArray, TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field};

use super::*;

#[test]
fn default_max_parallelism_is_flinks() {
    for (parallelism, expected) in
        [(1, 128), (10, 128), (85, 128), (86, 256), (100, 256), (1000, 2048), (20000, 32768), (32768, 32768)]
    {
        assert_eq!(default_max_parallelism(parallelism), expected, "{parallelism}");
    }
}

#[test]
fn ranges_cover_every_group_once_and_agree_with_the_owner() {
    for (max, parallelism) in [(128, 1), (128, 3), (128, 128), (200, 7), (32768, 1000)] {
        let mut next = 0;
        for subtask in 0..parallelism {
            let range = range_of_subtask(max, parallelism, subtask);
            assert_eq!(range.start, next);
            next = range.end;
            for group in range {
                assert_eq!(subtask_of(KeyGroup(group), max, parallelism), subtask);
            }
        }
        assert_eq!(next, max);
    }
}

#[test]
fn golden_vectors() {
    let row = StructArray::from(vec![
        (Arc::new(Field::new("a", DataType::Int32, true)), Arc::new(Int32Array::from(vec![1])) as ArrayRef),
        (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(StringArray::from(vec!["x"])) as ArrayRef),
    ]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("null", Arc::new(Int32Array::from(vec![None::<i32>]))),
        ("true", Arc::new(BooleanArray::from(vec![true]))),
        ("int 1", Arc::new(Int32Array::from(vec![1]))),
        ("bigint 1", Arc::new(Int64Array::from(vec![1]))),
        ("bigint -1", Arc::new(Int64Array::from(vec![-1]))),
        ("double 1.5", Arc::new(Float64Array::from(vec![1.5]))),
        ("decimal 1.50", Arc::new(Decimal128Array::from(vec![150]))),
        ("date 1", Arc::new(Date32Array::from(vec![1]))),
        ("timestamp 1", Arc::new(TimestampMillisecondArray::from(vec![1]))),
        ("empty string", Arc::new(StringArray::from(vec![""]))),
        ("string hello", Arc::new(StringArray::from(vec!["hello"]))),
        ("string of 8", Arc::new(StringArray::from(vec!["12345678"]))),
        ("bytes", Arc::new(BinaryArray::from(vec![&b"hello"[..]]))),
        ("row", Arc::new(row)),
    ];
    let lines: Vec<String> = columns
        .iter()
        .map(|(name, column)| {
            let hash = hash_keys(std::slice::from_ref(column), 1).unwrap()[0];
            format!("{name}: {hash:016x} {}", key_group(hash, 128).0)
        })
        .collect();
    expect_test::expect![[r#"
        null: 56c5d4168aab81ea 43
        true: 200c67286e19b5c5 16
        int 1: 200c67286e19b5c5 16
        bigint 1: 200c67286e19b5c5 16
        bigint -1: 5de89b0dffb7794a 46
        double 1.5: bf5b08e80f736bc4 95
        decimal 1.50: b114d4cc0f204210 88
        date 1: 200c67286e19b5c5 16
        timestamp 1: 200c67286e19b5c5 16
        empty string: 38f996751f5fd3de 28
        string hello: b99e1853e94cd981 92
        string of 8: db9a2d41352f6124 109
        bytes: b99e1853e94cd981 92
        row: c63d73fc642299ed 99"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn every_nan_is_one_key_and_minus_zero_is_not_zero() {
    let column: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
    let hashes = hash_keys(&[column], 4).unwrap();
    assert_ne!(hashes[0], hashes[1]);
    assert_eq!(hashes[2], hashes[3]);
}

#[test]
fn groups_are_spread() {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..12_800));
    let mut counts = [0u32; 128];
    for hash in hash_keys(&[column], 12_800).unwrap() {
        counts[key_group(hash, 128).0 as usize] += 1;
    }
    assert!(counts.iter().all(|c| (50..200).contains(c)), "{counts:?}");
}

#[test]
fn one_key_of_all_rows_is_seen_and_has_their_hash() {
    let ones: [ArrayRef; 4] = [
        Arc::new(Int32Array::from(vec![7; 3])),
        Arc::new(Int64Array::from(vec![-7; 3])),
        Arc::new(Date32Array::from(vec![7; 3])),
        Arc::new(TimestampMillisecondArray::from(vec![7; 3])),
    ];
    for keys in [&ones[..0], &ones[..1], &ones[1..2], &ones[2..3], &ones[3..], &ones] {
        let hashes = hash_keys(keys, 3).unwrap();
        assert_eq!(hash_of_all(keys, 3).unwrap(), Some(hashes[0]));
        assert_eq!(hash_of_all(keys, 0).unwrap(), None);
    }
    let others: [ArrayRef; 4] = [
        Arc::new(Int32Array::from(vec![7, 7, 8])),
        Arc::new(Int32Array::from(vec![Some(0), None, Some(0)])),
        Arc::new(Int32Array::from(vec![None::<i32>; 3])),
        Arc::new(StringArray::from(vec!["a"; 3])),
    ];
    for other in others {
        assert_eq!(hash_of_all(&[Arc::clone(&ones[0]), other], 3).unwrap(), None);
    }
}
