//! Snapshots of other directories, borrowed or claimed.

use super::*;

#[test]
fn a_snapshot_from_elsewhere_is_borrowed_or_claimed() {
    for claim in [false, true] {
        let storage = Storage::new();
        let (mut old, _) = storage.claimed("old");
        complete(&mut old, 1, &["a", "b"]).unwrap();
        let savepoint = write(&storage, &old, 1);
        let mut snapshot =
            ready(read_snapshot(&savepoint, Arc::new(Arc::clone(&storage.memory)), &storage.environment)).unwrap();
        ready(old.drop_job()).unwrap();

        let (mut directory, epoch) = storage.claimed("new");
        if claim {
            ready(directory.adopt(&snapshot)).unwrap();
        }
        snapshot.manifest = snapshot.manifest.rebased(&snapshot.root);
        ready(directory.verify(&snapshot.manifest)).unwrap();
        let mut paths: Vec<String> = snapshot.manifest.files().map(str::to_owned).collect();
        assert_eq!(directory.borrowed(&snapshot.manifest).unwrap().len(), if claim { 0 } else { 2 });
        // Nothing of it is deleted before a checkpoint has followed.
        ready(directory.retire(1, paths.clone(), &NONE)).unwrap();
        ready(directory.verify(&snapshot.manifest)).unwrap();
        paths.remove(0);
        paths.push(format!("shared/{epoch:020}/new.seg"));
        complete_paths(&mut directory, 2, &paths).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(good(&mut directory), Some((2, 0)));
        assert_eq!(below(&storage, &savepoint), if claim { 1 } else { 3 });
        // The next run knows whose they are.
        let (mut directory, _) = storage.claimed("newer");
        ready(directory.remove_orphans(&NONE)).unwrap();
        complete(&mut directory, 3, &["c"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_eq!(below(&storage, &savepoint), if claim { 0 } else { 3 });
        complete(&mut directory, 4, &["d"]).unwrap();
        ready(directory.retire(1, vec![], &NONE)).unwrap();
        assert_clean(&storage);
        recovers(&storage, &[Some(4)], "restored from elsewhere");
    }
}

#[test]
fn a_crash_while_a_claimed_snapshot_is_taken_over_leaves_it_or_what_followed() {
    at_every_crash(
        || {
            let storage = Storage::new();
            let (mut old, _) = storage.claimed("old");
            complete(&mut old, 1, &["a", "b"]).unwrap();
            write(&storage, &old, 1);
            ready(old.drop_job()).unwrap();
            let directory = storage.claimed("new").0;
            (storage, directory)
        },
        |directory| {
            let stores = Arc::clone(directory.routing().stores());
            let uri = parent(&ready(directory.objects.list("memory://savepoints/"))?[0].path).to_owned();
            let uri = uri.trim_end_matches("/state").to_owned();
            let environment = directory.environment.clone();
            let snapshot = ready(read_snapshot(&uri, stores, &environment))?;
            ready(directory.adopt(&snapshot))?;
            complete(directory, 2, &["c"])?;
            ready(directory.retire(1, vec![], &NONE))
        },
        |storage, done, told| {
            let followed = recovers(storage, &[None, Some(2)], told).is_some();
            assert!(followed || !done);
            // `recovers` has completed and retired: either all of it is gone, or nothing is.
            assert_eq!(below(storage, "memory://savepoints"), if followed { 0 } else { 3 }, "{told}");
        },
    );
}

fn write(storage: &Storage, directory: &CheckpointDirectory, id: u64) -> String {
    let files = ready(directory.read(directory.retained().iter().find(|r| r.id.0 == id).unwrap())).unwrap();
    let manifest = Manifest { kind: SnapshotKind::Savepoint { drained: false }, ..files };
    ready(write_savepoint("memory://savepoints", &manifest, directory.routing(), &storage.environment)).unwrap()
}

fn below(storage: &Storage, uri: &str) -> usize {
    ready(storage.routing().list(&format!("{uri}/"))).unwrap().len()
}
