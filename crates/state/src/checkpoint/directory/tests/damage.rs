//! Damaged, missing and swapped objects.

use super::*;
use crate::checkpoint::manifest::InFlightSnapshot;

#[test]
fn every_damage_of_the_newest_is_told_and_the_older_one_is_taken() {
    let file = "checkpoints/job/shared/00000000000000000001/b.seg";
    let damages: [(&str, &str, Option<&[u8]>); 6] = [
        ("checkpoints/job/chk-2/_metadata", "is damaged", Some(b"")),
        ("checkpoints/job/chk-2/_metadata", "is missing", None),
        (file, "has 3 bytes instead of 10", Some(b"012")),
        (file, "is missing", None),
        ("checkpoints/job/epochs/00000000000000000003", "is damaged", Some(b"FLKL")),
        ("checkpoints/job/epochs/00000000000000000003", "is damaged", Some(b"")),
    ];
    for (path, what, bytes) in damages {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        complete(&mut directory, 1, &["a"]).unwrap();
        complete(&mut directory, 2, &["b"]).unwrap();
        storage.memory.damage(path, bytes.map(Bytes::from_static));
        let (mut directory, _) = storage.claimed("b");
        let found = ready(directory.latest_good()).unwrap().unwrap();
        assert_eq!((found.record.id.0, found.damaged.len()), (1, 1), "{path}");
        let told = &found.damaged[0];
        let name = path.trim_start_matches("checkpoints/job/");
        assert!(told.message().contains(name) && told.message().ends_with(what), "{told}");
        let report = ready(check_directory(&storage.routing(), &storage.environment)).unwrap();
        assert!(!report.is_clean(), "{path}");
        // Nothing is thrown away as long as it is not known what the damaged one names.
        if path != file {
            assert_eq!(ready(directory.remove_orphans(&NONE)).unwrap(), Vec::<String>::new());
        }
        // The good one is not retired for a damaged one.
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(good(&mut directory), Some((1, 1)), "{path}");
        // With two new ones the damaged one is history.
        complete(&mut directory, 5, &["c"]).unwrap();
        complete(&mut directory, 6, &["c"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        recovers(&storage_without_damaged_records(storage, path), &[Some(6)], path);
    }
}

fn storage_without_damaged_records(storage: Storage, path: &str) -> Storage {
    if path.contains("epochs/") {
        storage.memory.damage(path, None);
    }
    storage
}

#[test]
fn a_flipped_bit_of_a_manifest_or_record_is_found_when_it_is_read() {
    for prefix in ["checkpoints/job/chk-2", "checkpoints/job/epochs/00000000000000000003"] {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        complete(&mut directory, 1, &["a"]).unwrap();
        complete(&mut directory, 2, &["b"]).unwrap();
        let faulty = storage.faulty(vec![FaultRule::on(ObjectCall::Get, prefix).from_then_on().then(Fault::FlipBit)]);
        let mut directory = storage.directory_through(Arc::new(Arc::clone(&faulty)));
        ready(directory.claim(run("b"), Begins::Not)).unwrap();
        assert_eq!(good(&mut directory), Some((1, 1)), "{prefix}");
        assert!(faulty.fired(FaultKind::FlipBit) > 0);
    }
}

#[test]
fn damaged_rows_under_way_are_told_and_the_older_one_is_taken() {
    for damage in [true, false] {
        let storage = Storage::new();
        let (mut directory, epoch) = storage.claimed("a");
        complete(&mut directory, 1, &["a"]).unwrap();
        let path = format!("shared/{epoch:020}/rows");
        let bytes = in_flight::encode(|out| {
            out.extend_from_slice(b"rows");
            Ok(())
        });
        let bytes = bytes.unwrap();
        ready(directory.routing().put(&path, bytes.clone(), PutMode::Overwrite)).unwrap();
        let mut second = manifest(2, epoch, &[]);
        second.operators[0].subtasks[0].in_flight = vec![InFlightSnapshot {
            edges: Vec::new(),
            rows: 1,
            bytes: bytes.len() as u64,
            place: in_flight::in_file(path.clone(), &bytes),
        }];
        ready(directory.complete(&second)).unwrap();
        if damage {
            let mut flipped = bytes.to_vec();
            flipped[20] ^= 1;
            storage.memory.damage(&format!("checkpoints/job/{path}"), Some(flipped.into()));
        }
        let (mut directory, _) = storage.claimed("b");
        let found = ready(directory.latest_good()).unwrap().unwrap();
        assert_eq!(found.record.id.0, if damage { 1 } else { 2 });
        let told: Vec<&str> = found.damaged.iter().map(Error::message).collect();
        let expected = format!("checkpoint 2: file of rows under way '{ROOT}/{path}' is damaged");
        assert_eq!(told, if damage { vec![expected.as_str()] } else { vec![] });
        // Whole or not, the file is the checkpoint's, and goes with it.
        assert_eq!(ready(directory.remove_orphans(&NONE)).unwrap(), Vec::<String>::new());
        complete(&mut directory, 3, &["c"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert!(!storage.paths().contains(&path));
    }
}

#[test]
fn files_that_change_places_are_found() {
    let pairs =
        [("chk-1/_metadata", "chk-2/_metadata"), ("epochs/00000000000000000002", "epochs/00000000000000000003")];
    for (one, two) in pairs {
        let storage = Storage::new();
        let (mut directory, _) = storage.claimed("a");
        for id in 1..=2 {
            complete(&mut directory, id, &["a"]).unwrap();
        }
        let path = |p: &str| format!("checkpoints/job/{p}");
        let all = storage.memory.all();
        storage.memory.damage(&path(one), Some(all[&path(two)].clone()));
        storage.memory.damage(&path(two), Some(all[&path(one)].clone()));
        let (mut directory, _) = storage.claimed("b");
        let error = ready(directory.latest_good()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.message(), format!("no checkpoint in '{ROOT}' can be read"));
        assert_eq!(error.detail().unwrap().matches("is another one").count(), 2, "{error:?}");
    }
}
