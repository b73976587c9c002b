//! What an error of the operating system means for an object: who must act, and whether trying again
//! may help.

use std::io::{self, ErrorKind as Io};
use std::path::Path;

use flott_api::{Error, ErrorKind};

/// The disk or the network below a file system failed (`EIO`).
const IO_ERROR: i32 = 5;
/// This machine or process has too many open files (`ENFILE`, `EMFILE`).
const FILES_OPEN: [i32; 2] = [23, 24];

/// `object '/a/b' cannot be written`, with the cause.
pub(super) fn error(cause: io::Error, verb: &str, file: &Path) -> Error {
    let message = format!("object '{}' cannot be {verb}", file.display());
    if cause.kind() == Io::InvalidFilename {
        return Error::invalid(message).with_source(cause);
    }
    let error = Error::new(ErrorKind::External { retry: may_pass(&cause) }, message);
    let error = match cause.kind() {
        Io::StorageFull | Io::QuotaExceeded => error.with_hint("Free space on its disk, or give it a larger quota."),
        Io::PermissionDenied => error.with_hint("Let the user that Flott runs as read and write its folder."),
        Io::ReadOnlyFilesystem => error.with_hint("Its disk is mounted for reading only: choose another folder."),
        _ => error,
    };
    error.with_source(cause)
}

/// Whether somebody may free space or a cable may be plugged in again while we wait.
fn may_pass(cause: &io::Error) -> bool {
    let by_number = cause.raw_os_error().is_some_and(|n| n == IO_ERROR || FILES_OPEN.contains(&n));
    by_number
        || matches!(
            cause.kind(),
            Io::StorageFull
                | Io::QuotaExceeded
                | Io::Interrupted
                | Io::TimedOut
                | Io::WouldBlock
                | Io::ResourceBusy
                | Io::OutOfMemory
                | Io::StaleNetworkFileHandle
                | Io::HostUnreachable
                | Io::NetworkUnreachable
                | Io::NetworkDown
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(cause: impl Into<io::Error>) -> ErrorKind {
        error(cause.into(), "written", Path::new("/a/b")).kind()
    }

    #[test]
    fn a_full_disk_may_pass_and_a_missing_permission_does_not() {
        for passing in [Io::StorageFull, Io::QuotaExceeded, Io::TimedOut, Io::StaleNetworkFileHandle] {
            assert_eq!(kind_of(passing), ErrorKind::External { retry: true }, "{passing:?}");
        }
        for number in [IO_ERROR, FILES_OPEN[0], FILES_OPEN[1]] {
            assert_eq!(kind_of(io::Error::from_raw_os_error(number)), ErrorKind::External { retry: true }, "{number}");
        }
        for lasting in [Io::PermissionDenied, Io::ReadOnlyFilesystem, Io::NotADirectory, Io::IsADirectory] {
            assert_eq!(kind_of(lasting), ErrorKind::External { retry: false }, "{lasting:?}");
        }
        assert_eq!(kind_of(Io::InvalidFilename), ErrorKind::Invalid);
    }

    #[test]
    fn an_error_names_the_file_and_what_to_do() {
        let full = error(Io::StorageFull.into(), "written", Path::new("/a/b"));
        assert_eq!(full.message(), "object '/a/b' cannot be written");
        assert!(full.to_string().ends_with("no storage space"), "{full}");
        assert_eq!(full.hint(), Some("Free space on its disk, or give it a larger quota."));
    }
}
