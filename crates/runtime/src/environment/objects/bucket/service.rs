//! What differs between the services: the condition of a create, how they say what happened, what a user can do.

use flott_api::Error;

/// What makes a server create an object only if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// `If-None-Match`, or `x-goog-if-generation-match`: the library's client of the service sends it.
    OfTheLibrary,
    /// A header of the service's own, set to `true`.
    Header(&'static str),
}

/// A kind of bucket.
#[derive(Debug)]
pub(super) struct Service {
    /// As people call it.
    pub(super) name: &'static str,
    pub(super) condition: Condition,
    /// Status and code of the answer that an object exists already; any code if none is named. Servers also say
    /// "conflict" when two writers meet, which does not mean that one of them has won.
    pub(super) existing: &'static [(u16, Option<&'static str>)],
    /// The codes for a bucket that does not exist, which is no missing object.
    pub(super) missing_bucket: &'static [&'static str],
    /// Whether the library lists an object whose name is all of what is asked for, and not only its begin.
    pub(super) lists_whole_names: bool,
    /// Characters that do not stay what they are in a name.
    pub(super) changed_characters: &'static str,
    /// When the condition has no effect.
    ignores_condition: &'static str,
    /// What to do about credentials that are refused, an address that is not found, and a wrong region.
    pub(super) credentials_hint: &'static str,
    pub(super) address_hint: &'static str,
    pub(super) region_hint: &'static str,
}

pub(super) const S3: Service = Service {
    name: "S3",
    condition: Condition::OfTheLibrary,
    existing: &[(412, None), (304, None)],
    missing_bucket: &["NoSuchBucket"],
    lists_whole_names: true,
    changed_characters: "",
    ignores_condition: "It ignores the header 'If-None-Match'.",
    credentials_hint: "Check 's3.access-key' and 's3.secret-key', or AWS's environment variables, and what they may do.",
    address_hint: "Check 's3.endpoint'; if buckets have no host of their own there, set 's3.path.style.access'.",
    region_hint: "Set the bucket's region with 's3.region'.",
};

pub(super) const GCS: Service = Service {
    name: "Google Cloud Storage",
    condition: Condition::OfTheLibrary,
    existing: &[(412, None)],
    missing_bucket: &["NoSuchBucket"],
    lists_whole_names: true,
    changed_characters: "",
    ignores_condition: "It ignores the header 'x-goog-if-generation-match'.",
    credentials_hint: "Check 'fs.gs.auth.service.account.json.keyfile', or GOOGLE_APPLICATION_CREDENTIALS, and what its account may do.",
    address_hint: "Check 'fs.gs.storage.root.url'.",
    region_hint: "Check 'fs.gs.storage.root.url'.",
};

pub(super) const AZURE: Service = Service {
    name: "Azure",
    condition: Condition::OfTheLibrary,
    // A lease that somebody else holds is a 412, too.
    existing: &[(409, Some("BlobAlreadyExists")), (412, Some("ConditionNotMet")), (412, Some("TargetConditionNotMet"))],
    missing_bucket: &["ContainerNotFound"],
    lists_whole_names: false,
    changed_characters: "\\",
    ignores_condition: "It ignores the header 'If-None-Match'.",
    credentials_hint: "Check 'fs.azure.account.key', 'fs.azure.sas.fixed.token' or 'fs.azure.account.oauth2.client.*', or Azure's environment variables, and what they may do.",
    address_hint: "Check the account's host in the URI, or 'fs.azure.endpoint'.",
    region_hint: "Check the account's host in the URI, or 'fs.azure.endpoint'.",
};

pub(super) const OSS: Service = Service {
    name: "OSS",
    condition: Condition::Header("x-oss-forbid-overwrite"),
    existing: &[(409, Some("FileAlreadyExists"))],
    missing_bucket: &["NoSuchBucket"],
    lists_whole_names: true,
    changed_characters: "",
    ignores_condition: "It ignores the header 'x-oss-forbid-overwrite', as OSS does in a bucket whose versioning was ever switched on.",
    credentials_hint: "Check 'fs.oss.accessKeyId' and 'fs.oss.accessKeySecret', or OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, and what they may do.",
    address_hint: "Check 'fs.oss.endpoint'.",
    region_hint: "Set the bucket's region with 'fs.oss.region', or correct 'fs.oss.endpoint'.",
};

pub(super) const COS: Service = Service {
    name: "COS",
    condition: Condition::Header("x-cos-forbid-overwrite"),
    existing: &[(409, Some("FileAlreadyExists"))],
    missing_bucket: &["NoSuchBucket"],
    lists_whole_names: true,
    changed_characters: "",
    ignores_condition: "It ignores the header 'x-cos-forbid-overwrite', as COS does in a bucket whose versioning was ever switched on.",
    credentials_hint: "Check 'fs.cosn.userinfo.secretId' and 'fs.cosn.userinfo.secretKey', or COSN_SECRET_ID and COSN_SECRET_KEY, and what they may do.",
    address_hint: "Check 'fs.cosn.bucket.region' or 'fs.cosn.bucket.endpoint_suffix'.",
    region_hint: "Set the bucket's region with 'fs.cosn.bucket.region'.",
};

impl Service {
    /// The error for a server that has created an object twice.
    pub(super) fn overwrites(&self, uri: &str) -> Error {
        Error::invalid(format!("object '{uri}' was written, though it existed and was only to be created"))
            .with_detail(self.ignores_condition)
            .with_hint("Take another bucket: in this one two processes could own a job at once.")
    }
}
