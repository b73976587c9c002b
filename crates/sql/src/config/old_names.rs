//! Older names of keys that Flink 2.3 still reads, and the spellings that its file systems of buckets take for one key.

/// Old name and name, sorted by the old one.
const OLD_NAMES: &[(&str, &str)] = &[
    ("execution.checkpointing.alignment-timeout", "execution.checkpointing.aligned-checkpoint-timeout"),
    ("execution.checkpointing.approximate-local-recovery", "execution.state-recovery.approximate-local-recovery"),
    (
        "execution.checkpointing.checkpoints-after-tasks-finish.enabled",
        "execution.checkpointing.checkpoints-after-tasks-finish",
    ),
    (
        "execution.checkpointing.recover-without-channel-state.checkpoint-id",
        "execution.state-recovery.without-channel-state.checkpoint-id",
    ),
    ("execution.checkpointing.unaligned", "execution.checkpointing.unaligned.enabled"),
    ("execution.savepoint-restore-mode", "execution.state-recovery.claim-mode"),
    ("execution.savepoint.ignore-unclaimed-state", "execution.state-recovery.ignore-unclaimed-state"),
    ("execution.savepoint.path", "execution.state-recovery.path"),
    ("fs.s3a.access.key", "s3.access-key"),
    ("fs.s3a.endpoint", "s3.endpoint"),
    ("fs.s3a.endpoint.region", "s3.region"),
    ("fs.s3a.path.style.access", "s3.path.style.access"),
    ("fs.s3a.secret.key", "s3.secret-key"),
    ("fs.s3a.session.token", "s3.session-token"),
    ("google.cloud.auth.service.account.json.keyfile", "fs.gs.auth.service.account.json.keyfile"),
    ("gs.auth.null.enable", "fs.gs.auth.null.enable"),
    ("gs.auth.service.account.json.keyfile", "fs.gs.auth.service.account.json.keyfile"),
    ("gs.storage.root.url", "fs.gs.storage.root.url"),
    ("restart-strategy", "restart-strategy.type"),
    ("s3.access.key", "s3.access-key"),
    ("s3.endpoint.region", "s3.region"),
    ("s3.path-style-access", "s3.path.style.access"),
    ("s3.secret.key", "s3.secret-key"),
    ("s3.session.token", "s3.session-token"),
    ("s3a.access-key", "s3.access-key"),
    ("s3a.access.key", "s3.access-key"),
    ("s3a.endpoint", "s3.endpoint"),
    ("s3a.endpoint.region", "s3.region"),
    ("s3a.path-style-access", "s3.path.style.access"),
    ("s3a.path.style.access", "s3.path.style.access"),
    ("s3a.secret-key", "s3.secret-key"),
    ("s3a.secret.key", "s3.secret-key"),
    ("s3a.session.token", "s3.session-token"),
    ("savepoints.state.backend.fs.dir", "execution.checkpointing.savepoint-dir"),
    ("state.backend", "state.backend.type"),
    ("state.backend.fs.checkpointdir", "execution.checkpointing.dir"),
    ("state.backend.fs.memory-threshold", "execution.checkpointing.data-inline-threshold"),
    ("state.backend.fs.write-buffer-size", "execution.checkpointing.write-buffer-size"),
    ("state.backend.incremental", "execution.checkpointing.incremental"),
    ("state.backend.local-recovery", "execution.state-recovery.from-local"),
    ("state.checkpoint-storage", "execution.checkpointing.storage"),
    ("state.checkpoint.cleaner.parallel-mode", "execution.checkpointing.cleaner.parallel-mode"),
    ("state.checkpoints.create-subdir", "execution.checkpointing.create-subdir"),
    ("state.checkpoints.dir", "execution.checkpointing.dir"),
    ("state.checkpoints.num-retained", "execution.checkpointing.num-retained"),
    ("state.savepoints.dir", "execution.checkpointing.savepoint-dir"),
    ("state.storage.fs.memory-threshold", "execution.checkpointing.data-inline-threshold"),
    ("state.storage.fs.write-buffer-size", "execution.checkpointing.write-buffer-size"),
    ("taskmanager.state.local.root-dirs", "execution.checkpointing.local-backup.dirs"),
];

/// The name of today; nothing if it is no old one.
pub(super) fn of_today(key: &str) -> Option<&'static str> {
    OLD_NAMES.iter().find(|(old, _)| *old == key).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{flink_keys, options};

    #[test]
    fn old_names_are_sorted_and_lead_to_keys() {
        assert!(OLD_NAMES.is_sorted());
        for (old, name) in OLD_NAMES {
            let known = |key: &str| options::find(key).is_some() || flink_keys::find(key).is_some();
            assert!(known(name) && !known(old), "{old}");
        }
    }
}
