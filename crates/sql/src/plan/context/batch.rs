//! `execution.runtime-mode`, and what a bounded job may take.

use flott_api::Result;
use flott_api::options::{MemorySize, OptionReader};

/// Whether jobs run in batch mode, and what of the machine one may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchMode {
    /// Whether they do.
    pub is_on: bool,
    /// `taskmanager.memory.managed.size`; the process decides if it is not set.
    pub memory_bytes: Option<u64>,
    /// The first of `io.tmp.dirs`; else the system's.
    pub spill_directory: Option<String>,
}

impl BatchMode {
    pub(super) fn read(reader: &OptionReader<'_>) -> Result<Self> {
        let modes = [("STREAMING", false), ("BATCH", true)];
        Ok(BatchMode {
            is_on: reader.choice("execution.runtime-mode", &modes, false)?,
            memory_bytes: reader.value::<MemorySize>("taskmanager.memory.managed.size")?.map(|size| size.0),
            spill_directory: reader.text("io.tmp.dirs").and_then(first_folder),
        })
    }
}

/// Of several folders Flink uses all; one is enough for what is only written once.
fn first_folder(folders: &str) -> Option<String> {
    // The scheme's colon parts nothing.
    let folders = folders.trim().strip_prefix("file:").map_or(folders, |path| path.trim_start_matches("//"));
    folders.split([',', '|', ':', ';']).map(str::trim).find(|folder| !folder.is_empty()).map(str::to_owned)
}
