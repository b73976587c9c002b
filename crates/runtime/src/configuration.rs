//! What the runtime reads of a job's configuration.

use std::collections::BTreeMap;

use flott_api::options::{MemorySize, OptionReader, Options};
use flott_api::{Error, Result};

/// `pipeline.operator-chaining.enabled`, as in Flink; and its older name.
const CHAINING: &str = "pipeline.operator-chaining.enabled";
const CHAINING_OLD: &str = "pipeline.operator-chaining";
/// Ours: Flink's buffers have a fixed size and are counted.
const BUFFER_SIZE: &str = "flott.channel.buffer-size";

const BUFFER_BYTES_DEFAULT: u64 = 1 << 20;

/// What a job goes on from: a path, or the newest checkpoint of its own.
const RECOVERY_PATH: &str = "execution.state-recovery.path";
const RECOVERY_CLAIM: &str = "execution.state-recovery.claim-mode";
const RECOVERY_IGNORES: &str = "execution.state-recovery.ignore-unclaimed-state";
/// What hot state may take of memory.
const MANAGED_MEMORY: &str = "taskmanager.memory.managed.size";
/// Where state goes that does not fit into memory, if there is no checkpoint directory.
const TEMPORARY: &str = "io.tmp.dirs";
/// Where copies of remote state lie.
const ROCKSDB_DIR: &str = "state.backend.rocksdb.localdir";

/// A job's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Whether operators call each other directly where they can.
    pub(crate) chaining: bool,
    /// How much may lie in a channel before its sender waits.
    pub(crate) buffer_bytes_max: usize,
    /// What the job goes on from.
    pub(crate) recovery_path: Option<String>,
    /// Whether what it goes on from becomes its own.
    pub(crate) claims: bool,
    /// Whether state that no operator takes is left behind.
    pub(crate) ignores_unclaimed_state: bool,
    /// What hot state may take of memory; the process decides if it is not set.
    pub(crate) state_bytes_max: Option<usize>,
    /// A folder for what does not fit into memory.
    pub(crate) temporary_dir: Option<String>,
    /// A folder for copies of remote state, if it is not the one for what does not fit into memory.
    pub(crate) rocksdb_dir: Option<String>,
}

impl Configuration {
    pub(crate) fn read(settings: &BTreeMap<String, String>) -> Result<Self> {
        let options = Options(settings.clone());
        let reader = OptionReader::new(&options, "the configuration");
        let chaining_old = reader.value_or(CHAINING_OLD, true)?;
        let chaining = reader.value_or(CHAINING, chaining_old)?;
        let MemorySize(bytes) = reader.value_or(BUFFER_SIZE, MemorySize(BUFFER_BYTES_DEFAULT))?;
        if bytes == 0 {
            return Err(Error::invalid(format!("option '{BUFFER_SIZE}' must be at least one byte")));
        }
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let state_bytes_max = reader.value::<MemorySize>(MANAGED_MEMORY)?.map(|MemorySize(bytes)| size(bytes));
        Ok(Configuration {
            chaining,
            buffer_bytes_max: size(bytes),
            recovery_path: reader.text(RECOVERY_PATH).map(str::to_owned),
            claims: reader.choice(RECOVERY_CLAIM, &[("NO_CLAIM", false), ("CLAIM", true)], false)?,
            ignores_unclaimed_state: reader.value_or(RECOVERY_IGNORES, false)?,
            state_bytes_max,
            temporary_dir: reader.text(TEMPORARY).and_then(first_folder),
            rocksdb_dir: reader.text(ROCKSDB_DIR).and_then(first_folder),
        })
    }
}

/// Of several folders Flink uses all; one is enough for what is only written once.
fn first_folder(folders: &str) -> Option<String> {
    // The scheme's colon parts nothing.
    let folders = folders.trim().strip_prefix("file:").map_or(folders, |path| path.trim_start_matches("//"));
    folders.split([',', '|', ':', ';']).map(str::trim).find(|folder| !folder.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Configuration> {
        Configuration::read(&pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn settings_are_read_with_their_types() {
        let default = read(&[]).unwrap();
        assert_eq!((default.chaining, default.buffer_bytes_max, default.claims), (true, 1 << 20, false));
        let set = read(&[(CHAINING, "false"), (BUFFER_SIZE, "2 kb"), (MANAGED_MEMORY, "1 mb")]).unwrap();
        assert_eq!((set.chaining, set.buffer_bytes_max, set.state_bytes_max), (false, 2048, Some(1 << 20)));
        assert!(!read(&[(CHAINING_OLD, "false")]).unwrap().chaining);
        assert!(read(&[(CHAINING, "maybe")]).is_err());
        assert!(read(&[(BUFFER_SIZE, "0")]).is_err());
    }

    #[test]
    fn the_first_of_several_folders_is_used() {
        for (folders, first) in [
            ("/a", Some("/a")),
            ("/a,/b", Some("/a")),
            (" /a : /b", Some("/a")),
            ("file:///a|file:///b", Some("/a")),
            ("file:/a;/b", Some("/a")),
            ("", None),
        ] {
            let set = read(&[(TEMPORARY, folders), (ROCKSDB_DIR, folders)]).unwrap();
            assert_eq!((set.temporary_dir.as_deref(), set.rocksdb_dir.as_deref()), (first, first), "{folders}");
        }
    }
}
