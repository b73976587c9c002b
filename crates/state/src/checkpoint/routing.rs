//! One store for all files of a job, wherever they lie: a relative path is in the directory of the job,
//! a URI is where it says. So a job restored from the snapshot of another one reads its files in place.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flott_api::object::{ObjectStatus, ObjectStore, ObjectStores, PutMode, PutOutcome};
use flott_api::{BoxFuture, Error, Result};

use super::location::{is_uri, join, normal};

/// The files of a job. What a listing gives has the form of its prefix: relative, or URIs.
pub struct RoutingObjects {
    stores: Arc<dyn ObjectStores>,
    root: String,
    own: Arc<dyn ObjectStore>,
    own_path: String,
}

impl std::fmt::Debug for RoutingObjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoutingObjects").field("root", &self.root).finish_non_exhaustive()
    }
}

impl RoutingObjects {
    /// The files of the job whose directory is at this URI.
    ///
    /// # Errors
    /// If there is no store for it.
    pub fn new(stores: Arc<dyn ObjectStores>, root: &str) -> Result<Arc<Self>> {
        let root = normal(root);
        let (own, own_path) = stores.resolve(&root)?;
        Ok(Arc::new(RoutingObjects { stores, root, own, own_path }))
    }

    /// The URI of the job's directory.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// All stores.
    pub fn stores(&self) -> &Arc<dyn ObjectStores> {
        &self.stores
    }

    /// Where a path lies, for people and for other jobs.
    pub fn uri(&self, path: &str) -> String {
        if is_uri(path) { normal(path) } else { join(&self.root, path) }
    }

    /// The one name of a file: relative if it lies in the directory of the job, however it is written.
    ///
    /// # Errors
    /// If there is no store for it.
    pub fn name_of(&self, path: &str) -> Result<String> {
        if !is_uri(path) {
            return Ok(path.to_owned());
        }
        let uri = normal(path);
        if let Some(name) = below(&uri, &self.root) {
            return Ok(name.to_owned());
        }
        let (store, inner) = self.stores.resolve(&uri)?;
        let own = same(&store, &self.own).then(|| below(&inner, &self.own_path)).flatten();
        Ok(own.map_or(uri, str::to_owned))
    }

    fn route(&self, path: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
        if !is_uri(path) {
            return Ok((Arc::clone(&self.own), join(&self.own_path, path)));
        }
        let (store, inner) = self.stores.resolve(path.trim_end_matches('/'))?;
        // A store may cut it off; in a prefix it parts `a/` from `ab/`.
        Ok((store, if path.ends_with('/') { join(&inner, "") } else { inner }))
    }
}

fn same(a: &Arc<dyn ObjectStore>, b: &Arc<dyn ObjectStore>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
}

fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

impl ObjectStore for RoutingObjects {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes, mode: PutMode) -> BoxFuture<'a, Result<PutOutcome>> {
        Box::pin(async move {
            let (store, inner) = self.route(path)?;
            store.put(&inner, bytes, mode).await
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Bytes>>> {
        Box::pin(async move {
            let (store, inner) = self.route(path)?;
            store.get(&inner).await
        })
    }

    fn get_ranges<'a>(&'a self, path: &'a str, ranges: &'a [Range<u64>]) -> BoxFuture<'a, Result<Option<Vec<Bytes>>>> {
        Box::pin(async move {
            let (store, inner) = self.route(path)?;
            store.get_ranges(&inner, ranges).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<ObjectStatus>>> {
        Box::pin(async move {
            let (store, inner) = self.route(prefix)?;
            let mut listed = store.list(&inner).await?;
            for object in &mut listed {
                object.path = format!("{prefix}{}", object.path.get(inner.len()..).unwrap_or_default());
            }
            Ok(listed)
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (store, inner) = self.route(path)?;
            store.delete(&inner).await
        })
    }

    /// Also between two stores: then the bytes come here.
    fn copy<'a>(&'a self, from: &'a str, to: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let (source, source_path) = self.route(from)?;
            let (target, target_path) = self.route(to)?;
            if same(&source, &target) {
                return target.copy(&source_path, &target_path).await;
            }
            let missing = || Error::external(format!("object '{}' does not exist", self.uri(from)));
            let bytes = source.get(&source_path).await?.ok_or_else(missing)?;
            target.put(&target_path, bytes, PutMode::Overwrite).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests {
    use flott_api::testing::{MemoryObjects, ready};

    use super::*;

    /// `a://…` and `b://…` are two stores.
    struct Two(Arc<MemoryObjects>, Arc<MemoryObjects>);

    impl ObjectStores for Two {
        fn resolve(&self, uri: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
            if uri.starts_with("a://") { self.0.resolve(uri) } else { self.1.resolve(uri) }
        }
    }

    fn paths(listed: Result<Vec<ObjectStatus>>) -> Vec<String> {
        listed.unwrap().into_iter().map(|o| o.path).collect()
    }

    #[test]
    fn relative_paths_are_the_jobs_own_and_uris_are_anywhere() {
        let (a, b) = (MemoryObjects::new(), MemoryObjects::new());
        let objects = RoutingObjects::new(Arc::new(Two(Arc::clone(&a), Arc::clone(&b))), "a://jobs/one/").unwrap();
        for path in ["shared/1", "shared/2", "b://x/y", "b://xx/y"] {
            ready(objects.put(path, Bytes::from(path.to_owned()), PutMode::Create)).unwrap();
        }
        assert_eq!(a.all().into_keys().collect::<Vec<_>>(), ["jobs/one/shared/1", "jobs/one/shared/2"]);
        assert_eq!(b.all().into_keys().collect::<Vec<_>>(), ["x/y", "xx/y"]);
        assert_eq!(paths(ready(objects.list("shared/"))), ["shared/1", "shared/2"]);
        assert_eq!(paths(ready(objects.list(""))), ["shared/1", "shared/2"]);
        assert_eq!(paths(ready(objects.list("b://x/"))), ["b://x/y"]);
        ready(objects.copy("b://x/y", "shared/3")).unwrap();
        ready(objects.copy("shared/3", "shared/4")).unwrap();
        assert_eq!(ready(objects.get("a://jobs/one/shared/4")).unwrap().unwrap(), "b://x/y");
    }

    #[test]
    fn an_own_file_is_known_however_it_is_written() {
        let store = MemoryObjects::new();
        let objects = RoutingObjects::new(Arc::new(store), "file:///jobs/one").unwrap();
        assert_eq!(objects.root(), "/jobs/one");
        for path in ["shared/1", "/jobs/one/shared/1", "file:///jobs//one/shared/1", "memory://jobs/one/shared/1"] {
            assert_eq!(objects.name_of(path).unwrap(), "shared/1");
        }
        assert_eq!(objects.name_of("/jobs/onetwo/x").unwrap(), "/jobs/onetwo/x");
        assert_eq!(
            (objects.uri("chk-1/_metadata"), objects.uri("s3://b//c")),
            ("/jobs/one/chk-1/_metadata".into(), "s3://b/c".into())
        );
    }
}
