//! Objects in a bucket of S3, or of a server that speaks its protocol: `s3://bucket/path`.
//!
//! Flink's counterpart are its S3 file systems; their keys are read, see `settings`. That an object is
//! created once rests on the server's `If-None-Match`, which AWS and the usual servers have; one that
//! answers it with an error cannot hold checkpoints.
//!
//! The library's own retries are few and short: the caller has a policy, and knows how long it may
//! take. A create is never repeated here, since a repeated one that finds its own object would report
//! somebody else's. Objects are put and copied in one request, so they have at most 5 GB.

mod failure;
mod ranges;
mod settings;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome, check_path, check_prefix};
use flott_api::{BoxFuture, Error, Result};
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStoreExt, PutPayload, RetryConfig};
use object_store::{ObjectStore as Client, PutOptions};

use failure::Failed;
use ranges::Requests;
use settings::Connection;

/// One request after another would wait for each; too many would starve others.
const REQUESTS_AT_ONCE: usize = 8;
/// A range that ends behind every object is asked for without an end: servers differ in how large a number they read.
const END_MAX: u64 = 1 << 50;

const RETRIES: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A bucket.
pub struct S3Objects {
    bucket: String,
    client: AmazonS3,
    /// The same without retries.
    creating: AmazonS3,
}

impl std::fmt::Debug for S3Objects {
    /// Without the clients: they know secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Objects({})", self.bucket)
    }
}

impl S3Objects {
    /// The bucket, reached as the settings say; what they do not say is taken from AWS's environment
    /// variables. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// If the settings contradict each other or name what is not supported.
    pub fn open(bucket: &str, settings: &BTreeMap<String, String>) -> Result<Self> {
        let connection = Connection::read(settings)?;
        Ok(S3Objects {
            bucket: bucket.to_owned(),
            client: connection.open(bucket, retries(RETRIES))?,
            creating: connection.open(bucket, retries(0))?,
        })
    }

    fn uri(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.bucket)
    }

    fn failed<'a>(&'a self, verb: &'static str, path: &'a str) -> impl Fn(object_store::Error) -> Error + 'a {
        move |cause| Failed::new(&cause).error(verb, &self.uri(path))
    }

    async fn create(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let options = PutOptions { mode: object_store::PutMode::Create, ..PutOptions::default() };
        match self.creating.put_opts(&location(path)?, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(cause) if failure::exists(&cause) => Ok(PutOutcome::Exists),
            Err(cause) => Err(self.failed("written", path)(cause)),
        }
    }

    async fn overwrite(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let put = self.client.put(&location(path)?, PutPayload::from_bytes(bytes)).await;
        put.map(|_| PutOutcome::Stored).map_err(self.failed("written", path))
    }

    /// An object or a part of one; nothing if there is no such object, no bytes if it ends before the part.
    async fn fetch(&self, path: &str, range: Option<GetRange>) -> Result<Option<Bytes>> {
        let options = GetOptions { range, ..GetOptions::default() };
        let location = location(path)?;
        let fetched = async { self.client.get_opts(&location, options).await?.bytes().await };
        fetched.await.map(Some).or_else(|cause| {
            let failed = Failed::new(&cause);
            match () {
                () if failed.is_missing_object() => Ok(None),
                () if failed.is_behind_the_end() => Ok(Some(Bytes::new())),
                () => Err(failed.error("read", &self.uri(path))),
            }
        })
    }

    async fn fetch_ranges(&self, path: &str, ranges: &[Range<u64>]) -> Result<Option<Vec<Bytes>>> {
        let requests = Requests::for_ranges(ranges);
        let fetches = requests.ranges().iter().cloned().map(|range| self.fetch(path, Some(bounded(range))));
        let answers: Vec<Option<Bytes>> =
            futures::stream::iter(fetches).buffered(REQUESTS_AT_ONCE).try_collect().await?;
        let answers: Option<Vec<Bytes>> = answers.into_iter().collect();
        Ok(answers.map(|answers| requests.cut(ranges, &answers)))
    }

    async fn list_all(&self, prefix: &str) -> Result<Vec<ObjectStatus>> {
        let (mut listed, mut page_token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions { page_token, ..PaginatedListOptions::default() };
            let asked = Some(prefix).filter(|prefix| !prefix.is_empty());
            let page = self.client.list_paginated(asked, options).await.map_err(self.failed("listed", prefix))?;
            listed.extend(page.result.objects.into_iter().map(status).filter(|o| o.path.starts_with(prefix)));
            page_token = page.page_token;
            if page_token.is_none() {
                break;
            }
        }
        // S3's order already; other servers promise none.
        listed.sort();
        Ok(listed)
    }

    async fn copy_within(&self, from: &str, to: &str) -> Result<()> {
        let missing = || Error::external(format!("object '{}' does not exist", self.uri(from)));
        // S3 refuses to copy an object onto itself.
        if from == to {
            return self.fetch(from, Some(GetRange::Bounded(0..1))).await?.map(drop).ok_or_else(missing);
        }
        self.client.copy(&location(from)?, &location(to)?).await.map_err(|cause| match Failed::new(&cause) {
            failed if failed.is_missing_object() => missing(),
            failed => failed.error("copied", &self.uri(from)),
        })
    }
}

fn retries(max_retries: usize) -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: BACKOFF_MIN, max_backoff: BACKOFF_MAX, base: 2.0 };
    RetryConfig { backoff, max_retries, retry_timeout: RETRY_TIMEOUT }
}

fn location(path: &str) -> Result<Path> {
    // What `check_path` lets through, this takes.
    Path::parse(path).map_err(|e| Error::internal(format!("object path '{path}' does not fit S3")).with_source(e))
}

fn bounded(range: Range<u64>) -> GetRange {
    if range.end > END_MAX { GetRange::Offset(range.start) } else { GetRange::Bounded(range) }
}

fn status(object: object_store::ObjectMeta) -> ObjectStatus {
    ObjectStatus {
        path: object.location.into(),
        size: object.size,
        modified_ms: object.last_modified.timestamp_millis(),
    }
}

impl ObjectStore for S3Objects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            check_path(path)?;
            match mode {
                PutMode::Create => self.create(path, bytes).await,
                PutMode::Overwrite => self.overwrite(path, bytes).await,
            }
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            check_path(path)?;
            self.fetch(path, None).await
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            check_path(path)?;
            self.fetch_ranges(path, ranges).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async move {
            check_prefix(prefix)?;
            self.list_all(prefix).await
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            check_path(path)?;
            self.client.delete(&location(path)?).await.or_else(|cause| match Failed::new(&cause) {
                failed if failed.is_missing_object() => Ok(()),
                failed => Err(failed.error("deleted", &self.uri(path))),
            })
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            check_path(from)?;
            check_path(to)?;
            self.copy_within(from, to).await
        })
    }
}
