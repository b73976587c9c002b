//! Object storage of the real world: folders of this machine, memory of this process, buckets.
//!
//! A URI says which: `/a/b`, `file:///a/b`, `memory://name/a`, `s3://bucket/a`, `gs://bucket/a`,
//! `abfss://container@host/a`, `oss://bucket/a`, `cos://bucket/a`. All paths of this machine lie in one
//! store, and so do all of a bucket.

#[cfg(feature = "buckets")]
mod bucket;
mod local;
mod memory;
mod mirror;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use flott_api::env::{Clock, Environment, Rng, Spawner};
use flott_api::object::{ObjectStore, ObjectStores, check_path};
use flott_api::{Error, Result};

use super::files::{local_part, scheme};

#[cfg(feature = "buckets")]
pub use bucket::BucketObjects;
pub use local::LocalObjects;
pub use memory::MemoryObjects;
pub use mirror::{MirrorStatus, MirroredObjects};

/// Schemes of buckets as Flink and Hadoop have them, each with the one that it means here.
const BUCKET_SCHEMES: &[(&str, &str)] = &[
    ("abfs", "abfss"),
    ("abfss", "abfss"),
    ("cos", "cos"),
    ("cosn", "cos"),
    ("gs", "gs"),
    ("oss", "oss"),
    ("s3", "s3"),
    ("s3a", "s3"),
    ("s3p", "s3"),
];

/// What the stores need of the world.
#[derive(Clone)]
pub struct StoreWorld {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where blocking calls run.
    pub spawner: Arc<dyn Spawner>,
}

impl StoreWorld {
    /// That of an environment.
    pub fn of(environment: &Environment) -> Self {
        StoreWorld {
            clock: Arc::clone(&environment.clock),
            rng: Arc::clone(&environment.rng),
            spawner: Arc::clone(&environment.spawner),
        }
    }
}

/// By scheme and name.
type Buckets = BTreeMap<(&'static str, String), Arc<dyn ObjectStore>>;

/// Finds the store of a URI. What a bucket needs to be reached is in the settings, under Flink's keys.
pub struct Objects {
    world: StoreWorld,
    settings: BTreeMap<String, String>,
    local: Arc<LocalObjects>,
    /// A client for each bucket, made when it is first asked for.
    buckets: Mutex<Buckets>,
}

impl Objects {
    /// The stores that can be reached from here with these settings.
    pub fn new(world: StoreWorld, settings: BTreeMap<String, String>) -> Self {
        let local = Arc::new(LocalObjects::of_machine(&world));
        Objects { world, settings, local, buckets: Mutex::default() }
    }

    fn local(&self, uri: &str, path: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let path = within(uri, &absolute(path)?)?;
        self.local.keep_folder(&path);
        Ok((Arc::clone(&self.local) as _, path))
    }

    fn memory(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (name, path) = authority(uri)?;
        Ok((Arc::new(MemoryObjects::named(name, Arc::clone(&self.world.clock))), within(uri, path)?))
    }

    fn bucket(&self, uri: &str, scheme: &'static str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let (name, path) = authority(uri)?;
        let path = within(uri, path)?;
        let mut buckets = self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (scheme, name.to_owned());
        if let Some(known) = buckets.get(&key) {
            return Ok((Arc::clone(known), path));
        }
        let store = open_bucket(scheme, name, &self.settings)?;
        buckets.insert(key, Arc::clone(&store));
        Ok((store, path))
    }
}

#[cfg(feature = "buckets")]
fn open_bucket(scheme: &str, name: &str, settings: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(BucketObjects::open(scheme, name, settings)?))
}

#[cfg(not(feature = "buckets"))]
fn open_bucket(scheme: &str, _: &str, _: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>> {
    Err(Error::invalid(format!("'{scheme}://' cannot be reached: this program was built without buckets"))
        .with_hint("Build it with the cargo feature 'buckets'."))
}

impl std::fmt::Debug for Objects {
    /// Without the settings: there are secrets in them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Objects")
    }
}

impl ObjectStores for Objects {
    fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        let scheme = scheme(uri);
        let bucket = scheme.and_then(|scheme| BUCKET_SCHEMES.iter().find(|(known, _)| *known == scheme));
        if let Some((_, meant)) = bucket {
            return self.bucket(uri, meant);
        }
        match scheme {
            None if uri.is_empty() => Err(Error::invalid("a path is empty")),
            None => self.local(uri, uri),
            Some("file") => self.local(uri, local_part(uri)?),
            Some("memory") => self.memory(uri),
            Some(other) => Err(Error::unsupported(format!("object storage '{other}'"))
                .with_detail(format!("The URI is '{uri}'."))
                .with_hint("Use a local path, or a URI that begins with 'file://', 's3://', 'gs://', 'abfss://', 'oss://', 'cos://' or 'memory://'.")),
        }
    }
}

/// A path from the root of this machine.
fn absolute(path: &str) -> Result<String> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    let here = std::env::current_dir()
        .map_err(|e| Error::external(format!("path '{path}' has no folder to begin in")).with_source(e))?;
    let here = here.to_str().ok_or_else(|| Error::invalid("the current folder's name is not UTF-8"))?;
    Ok(format!("{here}/{path}"))
}

/// The name and the path of `s3://name/path`.
fn authority(uri: &str) -> Result<(&str, &str)> {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    if name.is_empty() {
        let kind = uri.split(':').next().unwrap_or_default();
        return Err(Error::invalid(format!("URI '{uri}' names no store"))
            .with_hint(format!("Write it as '{kind}://name/path'.")));
    }
    Ok((name, path))
}

/// The path within a store, as stores want it: without empty parts and `.`. The store's root is empty.
fn within(uri: &str, path: &str) -> Result<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let path = parts.join("/");
    if !path.is_empty() {
        check_path(&path).map_err(|e| e.with_detail(format!("The URI is '{uri}'.")))?;
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
