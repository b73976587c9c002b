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

/// A job's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// Whether operators call each other directly where they can.
    pub(crate) chaining: bool,
    /// How much may lie in a channel before its sender waits.
    pub(crate) buffer_bytes_max: usize,
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
        Ok(Configuration { chaining, buffer_bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Configuration> {
        Configuration::read(&pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn settings_are_read_with_their_types() {
        assert_eq!(read(&[]).unwrap(), Configuration { chaining: true, buffer_bytes_max: 1 << 20 });
        let set = read(&[(CHAINING, "false"), (BUFFER_SIZE, "2 kb")]).unwrap();
        assert_eq!(set, Configuration { chaining: false, buffer_bytes_max: 2048 });
        assert!(!read(&[(CHAINING_OLD, "false")]).unwrap().chaining);
        assert!(read(&[(CHAINING, "maybe")]).is_err());
        assert!(read(&[(BUFFER_SIZE, "0")]).is_err());
    }
}
