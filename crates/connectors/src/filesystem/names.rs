//! Names of files: whose they are, and what state they are in.
//!
//! `part-JJJJJJJJ-JJJJ-TTTT-SSSS-RRRRRRRRRRRR-0-7` looks as Flink's do. `J` is the job, which lasts over restarts; `T` is
//! what the sink does in the job (its table, folder, partition and overwriting); `S` all of its specification; `R` is random for
//! each writer; then come its subtask and a counter. Not yet visible it is `.part-….inprogress`. A partition that waits
//! for its success file has an empty file `.part-JJJJJJJJ-JJJJ-TTTT-<since>.pending`.

use flott_api::ids::{JobId, Subtask};
use flott_api::table::SinkSpec;

const INPROGRESS: &str = ".inprogress";
const PENDING: &str = ".pending";
/// `part-` and the job.
const JOB_LENGTH: usize = "part-00000000-0000-".len();
/// `part-`, the job, and what the sink does.
const SINK_LENGTH: usize = "part-00000000-0000-0000-".len();
/// All of it: also the specification.
const STEM_LENGTH: usize = "part-00000000-0000-0000-0000-".len();

/// What tells the files of a sink from those of others, whichever job it is in.
#[derive(Clone, Debug)]
pub(super) struct SinkTag {
    lasting: u16,
    exact: u16,
}

impl SinkTag {
    /// The tag of a sink.
    pub(super) fn of(spec: &SinkSpec) -> Self {
        let path = spec.options.0.get("path");
        // Debug output is enough: two that differ in anything differ in it, and no other version has to find it again.
        let exact = format!("{spec:?}");
        let lasting = format!("{:?}", (&spec.table, path, &spec.static_partition, spec.overwrite));
        SinkTag { lasting: fold(hash(lasting.as_bytes())), exact: fold(hash(exact.as_bytes())) }
    }

    /// The beginning of all file names of the sink in a job.
    pub(super) fn stem(&self, job: JobId) -> FileStem {
        let job = hash(&job.0.to_le_bytes());
        let (high, low) = ((job >> 32) as u32, (job >> 16) as u16);
        FileStem(format!("part-{high:08x}-{low:04x}-{:04x}-{:04x}-", self.lasting, self.exact))
    }
}

/// The beginning of all file names of a sink in a job.
#[derive(Clone, Debug)]
pub(super) struct FileStem(String);

impl FileStem {
    /// The beginning of the name of a file of the sink; nothing if it is no such name.
    pub(super) fn of_file(path: &str) -> Option<Self> {
        let stem = name_of(path).get(..STEM_LENGTH)?;
        (stem.starts_with("part-") && stem.ends_with('-')).then(|| FileStem(stem.to_owned()))
    }

    /// What the file names of a writer begin with; unique, as `random` is.
    pub(super) fn writer(&self, random: u64, subtask: Subtask) -> String {
        format!("{}{:012x}-{}", self.0, random >> 16, subtask.index)
    }

    /// Whether a file is of the same job.
    pub(super) fn has_job_of(&self, path: &str) -> bool {
        name_of(path).starts_with(&self.0[..JOB_LENGTH])
    }

    /// Whether a file is one of this sink that is not yet visible.
    pub(super) fn is_inprogress(&self, path: &str) -> bool {
        let name = name_of(path).strip_prefix('.');
        name.is_some_and(|name| name.starts_with(&self.0) && name.ends_with(INPROGRESS))
    }

    /// The name of the mark of a partition that waits since then.
    pub(super) fn mark(&self, since_ms: i64) -> String {
        format!(".{}{since_ms}{PENDING}", &self.0[..SINK_LENGTH])
    }

    /// Since when the partition waits that this file marks; nothing if it marks none of this sink.
    pub(super) fn marked_since(&self, path: &str) -> Option<i64> {
        let name = name_of(path).strip_prefix('.')?.strip_suffix(PENDING)?;
        name.strip_prefix(&self.0[..SINK_LENGTH])?.parse().ok()
    }
}

/// A file's name before it is visible.
pub(super) fn hidden(name: &str) -> String {
    format!(".{name}{INPROGRESS}")
}

/// The name of a file without its folders.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// FNV-1a (Glenn Fowler, Landon Curt Noll and Kiem-Phong Vo, public domain), its halves mixed.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn fold(hash: u64) -> u16 {
    (hash >> 48) as u16
}

#[cfg(test)]
mod tests {
    use flott_api::options::Options;

    use super::*;

    #[test]
    fn names_tell_job_sink_and_state() {
        let spec = super::super::tests::sink_spec(super::super::tests::abc(), Options::default());
        let stem = SinkTag::of(&spec).stem(JobId(7));
        let name = stem.writer(u64::MAX, Subtask { index: 3, parallelism: 4 });
        assert_eq!(name.len(), "part-".len() + 36 + "-3".len(), "a UUID, as in Flink: {name}");
        let other_job = SinkTag::of(&spec).stem(JobId(8));
        let other_sink = SinkTag::of(&SinkSpec { overwrite: true, ..spec.clone() }).stem(JobId(7));
        let other_schema = SinkTag::of(&SinkSpec { session_zone: "CET".to_owned(), ..spec }).stem(JobId(7));
        let visible = format!("/x/d=1/{name}-0");
        assert_eq!(FileStem::of_file(&visible).unwrap().0, stem.0);
        assert!(FileStem::of_file("/x/part-ü").is_none());
        assert!(stem.has_job_of(&visible) && other_sink.has_job_of(&visible) && !other_job.has_job_of(&visible));
        let inprogress = format!("/x/d=1/{}", hidden(&format!("{name}-0")));
        assert!(stem.is_inprogress(&inprogress) && !stem.is_inprogress(&visible));
        for other in [&other_job, &other_sink, &other_schema] {
            assert!(!other.is_inprogress(&inprogress), "{other:?}");
        }
        let mark = format!("/x/d=1/{}", stem.mark(-5));
        assert_eq!((stem.marked_since(&mark), other_schema.marked_since(&mark)), (Some(-5), Some(-5)));
        assert_eq!((other_job.marked_since(&mark), other_sink.marked_since(&mark)), (None, None));
        assert_eq!(stem.marked_since(&inprogress), None);
        assert!(!stem.is_inprogress(&mark));
    }
}
