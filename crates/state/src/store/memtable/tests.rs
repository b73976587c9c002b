//! Memtables: which write counts, and in which order they come.

use super::*;

const GROUPS: Range<u32> = 0..10;

fn target(state: u16, namespaced: bool) -> Target<'static> {
    Target { state: StateNumber(state), namespaced, groups: &GROUPS }
}

fn key(group: u16, rest: &str) -> Vec<u8> {
    [&group.to_be_bytes(), rest.as_bytes()].concat()
}

fn full(state: u16, group: u16, rest: &str) -> Vec<u8> {
    [state.to_be_bytes().to_vec(), key(group, rest)].concat()
}

fn write(table: &mut Memtable, target: Target<'_>, writes: &[(WriteKind, &[u8], &str)]) -> Result<usize> {
    let mut batch = EntryBatch::default();
    for (kind, key, value) in writes {
        batch.push(*kind, |k| k.extend_from_slice(key), |v| v.extend_from_slice(value.as_bytes()));
    }
    table.extend(target, &batch, 0, usize::MAX)
}

fn get<'a>(table: &'a Memtable, key: &[u8]) -> Found<'a> {
    table.get(key, key_hash(key))
}

fn sorted(table: &Memtable) -> Vec<(Vec<u8>, Option<String>)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    table.order().iter().map(|at| (table.key(*at).to_vec(), table.value(*at).map(text))).collect()
}

#[test]
fn the_latest_write_wins_whatever_its_length() {
    let mut table = Memtable::default();
    for value in ["abc", "d", "efghij", ""] {
        write(&mut table, target(1, false), &[(WriteKind::Put, &key(2, "k"), value)]).unwrap();
        assert_eq!(get(&table, &full(1, 2, "k")), Found::Value(value.as_bytes()));
    }
    write(&mut table, target(1, false), &[(WriteKind::Delete, &key(2, "k"), "")]).unwrap();
    assert_eq!(get(&table, &full(1, 2, "k")), Found::Gone);
    assert_eq!(get(&table, &full(0, 2, "k")), Found::Nothing);
    write(&mut table, target(1, false), &[(WriteKind::Put, &key(2, "k"), "z")]).unwrap();
    assert_eq!(sorted(&table), [(full(1, 2, "k"), Some("z".to_owned()))]);
}

#[test]
fn a_clear_hides_what_was_before_and_nothing_after() {
    let mut table = Memtable::default();
    let (a, b) = (key(2, "12345678a"), key(3, "12345678b"));
    let other = key(2, "12345679a");
    let writes: [(WriteKind, &[u8], &str); 5] = [
        (WriteKind::Put, &a, "1"),
        (WriteKind::Put, &b, "2"),
        (WriteKind::Put, &other, "3"),
        (WriteKind::ClearNamespace, b"12345678", ""),
        (WriteKind::Put, &b, "4"),
    ];
    write(&mut table, target(1, true), &writes).unwrap();
    assert_eq!(get(&table, &full(1, 2, "12345678a")), Found::Gone);
    assert_eq!(get(&table, &full(1, 5, "12345678never")), Found::Gone);
    assert_eq!(get(&table, &full(1, 3, "12345678b")), Found::Value(b"4"));
    assert_eq!(get(&table, &full(1, 2, "12345679a")), Found::Value(b"3"));
    assert_eq!(get(&table, &full(2, 2, "12345678a")), Found::Nothing);
    assert_eq!(sorted(&table).len(), 2);
    let clear = Clear { state: 1, namespace: *b"12345678", from_group: 0, to_group: 10 };
    assert_eq!(table.clears(&GROUPS), [clear]);
}

#[test]
fn what_does_not_belong_here_is_refused() {
    let mut table = Memtable::default();
    let refused = |table: &mut Memtable, namespaced, kind, key: &[u8]| {
        write(table, target(1, namespaced), &[(kind, key, "")]).unwrap_err().message().to_owned()
    };
    assert!(refused(&mut table, false, WriteKind::Put, &key(10, "a")).contains("group 10"));
    assert!(refused(&mut table, false, WriteKind::Put, &[0]).contains("too short"));
    assert!(refused(&mut table, true, WriteKind::Put, &key(1, "1234567")).contains("too short"));
    assert!(refused(&mut table, false, WriteKind::ClearNamespace, b"12345678").contains("no namespaces"));
    assert!(refused(&mut table, true, WriteKind::ClearNamespace, b"1234567").contains("7 bytes"));
    assert!(table.is_empty());
}

#[test]
fn pages_are_sorted_while_writing_goes_on() {
    let mut table = Memtable::default();
    let mut expected = std::collections::BTreeSet::new();
    for n in 0u32..12_000 {
        let text = format!("{:05}", n.wrapping_mul(7919) % 12_000);
        expected.insert(full(1, 2, &text));
        write(&mut table, target(1, false), &[(WriteKind::Put, &key(2, &text), &text)]).unwrap();
        if n % 1500 == 0 {
            let range = full(1, 2, "01")..full(1, 2, "02");
            let wanted: Vec<_> = expected.range(range.clone()).take(100).cloned().collect();
            let (rows, all) = table.rows(&range, 100);
            assert_eq!(rows.iter().map(|row| row.0.to_vec()).collect::<Vec<_>>(), wanted);
            assert_eq!(all, expected.range(range).count() <= 100);
        }
    }
    assert!(table.sorted.len() > TAIL_ENTRIES_MIN);
}

#[test]
fn it_is_full_at_its_limit() {
    let mut batch = EntryBatch::default();
    for n in 0u16..100 {
        batch.push(WriteKind::Put, |k| k.extend(key(2, &n.to_string())), |v| v.extend([0; 50]));
    }
    let mut table = Memtable::default();
    let taken = table.extend(target(1, false), &batch, 0, 1000).unwrap();
    assert!(taken > 5 && taken < 20 && table.memory_bytes() < 1100, "{taken}");
    assert_eq!(table.extend(target(1, false), &batch, taken, usize::MAX).unwrap(), 100);
}
