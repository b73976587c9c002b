//! Objects in a bucket of S3, Google, Azure, OSS or COS, or of a server that speaks the protocol of one.
//!
//! Flink's counterpart are its file systems of the same schemes; their keys are read, see the file of each
//! service. What ownership is decided by is that an object is created once: it rests on a condition that the
//! server keeps, and which `service` names. A server that answers it with an error cannot hold checkpoints.
//! Some would ignore it without a word, so where that may be, the first object that is created is created
//! again: a server that does not refuse that is given up.
//!
//! The library's own retries are few and short: the caller has a policy, and knows how long it may
//! take. A create is never repeated here after a failure, since a repeated one that finds its own object
//! would report somebody else's. Objects are put and copied in one request, so they have at most 5 GB.

mod azure;
mod failure;
mod gcs;
mod oss;
mod ranges;
mod s3;
mod service;
mod settings;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use flott_api::object::{ObjectStatus, ObjectStore, PutMode, PutOutcome, check_path, check_prefix};
use flott_api::{BoxFuture, Error, Result};
use futures::{StreamExt, TryStreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{BackoffConfig, GetOptions, GetRange, ObjectStoreExt, PutPayload, RetryConfig};
use object_store::{ObjectStore as Client, PutOptions};

use failure::Failed;
use ranges::Requests;
use service::{Condition, Service};
use settings::{Patience, Settings};

/// One request after another would wait for each; too many would starve others.
const REQUESTS_AT_ONCE: usize = 8;
/// A range that ends behind every object is asked for without an end: servers differ in how large a number they read.
const END_MAX: u64 = 1 << 50;

const RETRIES: usize = 2;
const RETRY_TIMEOUT: Duration = Duration::from_secs(20);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A client of the library, whatever the service.
trait Bucket: Client + PaginatedListStore {}

impl<T: Client + PaginatedListStore> Bucket for T {}

/// How a bucket is reached.
struct Clients {
    usual: Arc<dyn Bucket>,
    /// The same without retries, and with the header that makes a create, where one does.
    creating: Arc<dyn Bucket>,
    /// Whether the server is the service itself, which keeps its conditions.
    is_known_to_create_once: bool,
}

/// A bucket.
pub struct BucketObjects {
    service: &'static Service,
    /// `s3://bucket`.
    root: String,
    clients: Clients,
    creates_once: AtomicBool,
}

impl std::fmt::Debug for BucketObjects {
    /// Without the clients: they know secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BucketObjects({})", self.root)
    }
}

impl BucketObjects {
    /// The bucket of `scheme://name`, reached as the settings say; what they do not say is taken from the
    /// environment variables of its service. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// If the settings contradict each other, lack something or name what is not supported.
    pub fn open(scheme: &str, name: &str, settings: &BTreeMap<String, String>) -> Result<Self> {
        BucketObjects::open_patiently(scheme, name, settings, Patience::default())
    }

    fn open_patiently(
        scheme: &str,
        name: &str,
        settings: &BTreeMap<String, String>,
        patience: Patience,
    ) -> Result<Self> {
        let settings = Settings { values: settings, patience };
        let (service, clients) = match scheme {
            "s3" => (&service::S3, s3::open(name, &settings)?),
            "gs" => (&service::GCS, gcs::open(name, &settings)?),
            "abfss" => (&service::AZURE, azure::open(name, &settings)?),
            "oss" => (&service::OSS, oss::open_oss(name, &settings)?),
            "cos" => (&service::COS, oss::open_cos(name, &settings)?),
            other => return Err(Error::internal(format!("there are no buckets of the scheme '{other}'"))),
        };
        let creates_once = AtomicBool::new(clients.is_known_to_create_once);
        Ok(BucketObjects { service, root: format!("{scheme}://{name}"), clients, creates_once })
    }

    fn check(&self, path: &str) -> Result<()> {
        check_path(path)?;
        match path.chars().find(|c| self.service.changed_characters.contains(*c)) {
            Some(c) => Err(Error::invalid(format!("object path {path:?} has the character '{c}'"))
                .with_detail(format!("{} takes it for another one.", self.service.name))),
            None => Ok(()),
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("{}/{path}", self.root)
    }

    fn error(&self, failed: &Failed, verb: &str, path: &str) -> Error {
        failed.error(self.service, verb, &self.uri(path))
    }

    fn failed<'a>(&'a self, verb: &'static str, path: &'a str) -> impl Fn(object_store::Error) -> Error + 'a {
        move |cause| self.error(&Failed::new(&cause), verb, path)
    }

    async fn create(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let outcome = self.create_now(path, bytes.clone()).await?;
        if self.creates_once.load(Ordering::Relaxed) {
            return Ok(outcome);
        }
        if outcome == PutOutcome::Stored && self.create_now(path, bytes).await? == PutOutcome::Stored {
            return Err(self.service.overwrites(&self.uri(path)));
        }
        self.creates_once.store(true, Ordering::Relaxed);
        Ok(outcome)
    }

    async fn create_now(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let mode = match self.service.condition {
            Condition::OfTheLibrary => object_store::PutMode::Create,
            // The client sends it with everything.
            Condition::Header(_) => object_store::PutMode::Overwrite,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.clients.creating.put_opts(&location(path)?, PutPayload::from_bytes(bytes), options).await {
            Ok(_) => Ok(PutOutcome::Stored),
            Err(cause) if Failed::new(&cause).is_existing_object(self.service) => Ok(PutOutcome::Exists),
            Err(cause) => Err(self.failed("written", path)(cause)),
        }
    }

    async fn overwrite(&self, path: &str, bytes: Bytes) -> Result<PutOutcome> {
        let put = self.clients.usual.put(&location(path)?, PutPayload::from_bytes(bytes)).await;
        put.map(|_| PutOutcome::Stored).map_err(self.failed("written", path))
    }

    /// An object or a part of one; nothing if there is no such object, no bytes if it ends before the part.
    async fn fetch(&self, path: &str, range: Option<GetRange>) -> Result<Option<Bytes>> {
        let options = GetOptions { range, ..GetOptions::default() };
        let location = location(path)?;
        let fetched = async { self.clients.usual.get_opts(&location, options).await?.bytes().await };
        fetched.await.map(Some).or_else(|cause| {
            let failed = Failed::new(&cause);
            match () {
                () if failed.is_missing_object(self.service) => Ok(None),
                () if failed.is_behind_the_end() => Ok(Some(Bytes::new())),
                () => Err(self.error(&failed, "read", path)),
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
            let page =
                self.clients.usual.list_paginated(asked, options).await.map_err(self.failed("listed", prefix))?;
            listed.extend(page.result.objects.into_iter().map(status).filter(|o| o.path.starts_with(prefix)));
            page_token = page.page_token;
            if page_token.is_none() {
                break;
            }
        }
        if !self.service.lists_whole_names && check_path(prefix).is_ok() {
            listed.extend(self.status_of(prefix).await?);
        }
        // The order of most already; not all promise one.
        listed.sort();
        Ok(listed)
    }

    async fn status_of(&self, path: &str) -> Result<Option<ObjectStatus>> {
        self.clients.usual.head(&location(path)?).await.map(|object| Some(status(object))).or_else(|cause| {
            let failed = Failed::new(&cause);
            if failed.is_missing_object(self.service) { Ok(None) } else { Err(self.error(&failed, "listed", path)) }
        })
    }

    async fn copy_within(&self, from: &str, to: &str) -> Result<()> {
        let missing = || Error::external(format!("object '{}' does not exist", self.uri(from)));
        // Some refuse to copy an object onto itself.
        if from == to {
            return self.fetch(from, Some(GetRange::Bounded(0..1))).await?.map(drop).ok_or_else(missing);
        }
        self.clients.usual.copy(&location(from)?, &location(to)?).await.map_err(|cause| match Failed::new(&cause) {
            failed if failed.is_missing_object(self.service) => missing(),
            failed => self.error(&failed, "copied", from),
        })
    }
}

fn retries(max_retries: usize) -> RetryConfig {
    let backoff = BackoffConfig { init_backoff: BACKOFF_MIN, max_backoff: BACKOFF_MAX, base: 2.0 };
    RetryConfig { backoff, max_retries, retry_timeout: RETRY_TIMEOUT }
}

fn location(path: &str) -> Result<Path> {
    // What `check_path` lets through, this takes.
    Path::parse(path).map_err(|e| Error::internal(format!("object path '{path}' does not fit a bucket")).with_source(e))
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

impl ObjectStore for BucketObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            self.check(path)?;
            match mode {
                PutMode::Create => self.create(path, bytes).await,
                PutMode::Overwrite => self.overwrite(path, bytes).await,
            }
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            self.check(path)?;
            self.fetch(path, None).await
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            self.check(path)?;
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
            self.check(path)?;
            self.clients.usual.delete(&location(path)?).await.or_else(|cause| match Failed::new(&cause) {
                failed if failed.is_missing_object(self.service) => Ok(()),
                failed => Err(self.error(&failed, "deleted", path)),
            })
        })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.check(from)?;
            self.check(to)?;
            self.copy_within(from, to).await
        })
    }
}

#[cfg(test)]
mod tests;
