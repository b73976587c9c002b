//! The messages that a user describes, as the text of a `.proto` file or as a descriptor set, and which of them a Java
//! class name means.

use flott_api::error::nearest;
use flott_api::options::OptionReader;
use flott_api::{Error, Result};
use miette::Diagnostic;
use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use crate::text::base64;

/// What the text of the option is called while it is compiled; a user sees it where something is wrong.
const FILE: &str = "schema.proto";

/// One file that is in memory.
struct Inline(String);

impl FileResolver for Inline {
    fn open_file(&self, name: &str) -> std::result::Result<File, protox::Error> {
        if name == FILE {
            return File::from_source(name, &self.0);
        }
        Err(protox::Error::file_not_found(name))
    }
}

/// The message that the options under `prefix` name.
///
/// # Errors
/// If the schema is wrong or missing, or has no such message.
pub(super) fn message(options: &OptionReader<'_>, prefix: &str) -> Result<MessageDescriptor> {
    let class = options.required(&format!("{prefix}message-class-name"))?;
    let (text_key, set_key) = (format!("{prefix}schema"), format!("{prefix}descriptor-set"));
    let (pool, named) = match (options.text(&text_key), options.text(&set_key)) {
        (Some(text), None) => (compiled(text).map_err(|e| e.context(format!("option '{text_key}'")))?, false),
        (None, Some(set)) => (decoded(set).map_err(|e| e.context(format!("option '{set_key}'")))?, true),
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!("options '{text_key}' and '{set_key}' are both set"))
                .with_hint("Keep one: both describe the same messages."));
        }
        (None, None) => {
            return Err(Error::invalid(format!("format 'protobuf' needs option '{text_key}' or '{set_key}'"))
                .with_detail(format!("The class '{class}' is not loaded: there is no JVM."))
                .with_hint(format!(
                    "Add '{text_key}' = '...' with the text of the .proto file, or '{set_key}' = '...' with what \
                     `protoc --include_imports --descriptor_set_out=/dev/stdout FILE | base64 -w0` prints."
                )));
        }
    };
    find(&pool, class, named)
}

fn compiled(text: &str) -> Result<DescriptorPool> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Inline(text.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    match compiler.include_imports(true).open_file(FILE) {
        Ok(_) => Ok(compiler.descriptor_pool()),
        Err(e) => Err(refused(text, &e)),
    }
}

/// What the compiler says, with the line that it means.
fn refused(text: &str, error: &protox::Error) -> Error {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let before = offset.and_then(|offset| text.get(..offset));
    let place = before.map_or_else(String::new, |before| format!(", line {}", before.matches('\n').count() + 1));
    let invalid = Error::invalid(format!("the schema cannot be compiled{place}: {error}"));
    if error.is_file_not_found() {
        return invalid.with_hint(
            "Imports of 'google/protobuf/' are known. For others use 'protobuf.descriptor-set', which holds them all.",
        );
    }
    invalid
}

fn decoded(text: &str) -> Result<DescriptorPool> {
    let mut bytes = Vec::new();
    if !base64::decode(text.trim().as_bytes(), &mut bytes) {
        return Err(Error::invalid("the descriptor set is no Base64"));
    }
    DescriptorPool::decode(bytes.as_slice()).map_err(|e| {
        Error::invalid(format!("the descriptor set cannot be read: {e}"))
            .with_hint("Give `protoc` the flag `--include_imports`.")
    })
}

/// The message of that Java class, or of that full name. The text of a schema does not say what its file is called, so
/// an outer class that takes its name from there may be any.
fn find(pool: &DescriptorPool, class: &str, named: bool) -> Result<MessageDescriptor> {
    let wanted = class.replace('$', ".");
    let all = || pool.all_messages().filter(|m| !m.is_map_entry());
    let mut found = all().filter(|m| is_class(m, &wanted, named));
    if let Some(message) = found.next() {
        if let Some(other) = found.next() {
            let (one, two) = (message.full_name(), other.full_name());
            return Err(Error::invalid(format!("'{class}' may be message '{one}' or '{two}'"))
                .with_hint("Name the message in full instead of the Java class."));
        }
        return Ok(message);
    }
    if let Some(message) = all().find(|m| m.full_name() == wanted) {
        return Ok(message);
    }
    let google = |m: &MessageDescriptor| m.parent_file().package_name() == "google.protobuf";
    let names: Vec<String> = all().filter(|m| !google(m)).map(|m| m.full_name().to_owned()).collect();
    let error = Error::invalid(format!("the schema has no message of the Java class '{class}'"));
    Err(match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(meant) => error.with_hint(format!("Did you mean '{meant}'?")),
        None => error.with_hint(format!("Its messages are: {}.", names.join(", "))),
    })
}

fn is_class(message: &MessageDescriptor, wanted: &str, named: bool) -> bool {
    let file = message.parent_file();
    let options = file.file_descriptor_proto().options.clone().unwrap_or_default();
    let package = options.java_package.as_deref().unwrap_or(file.package_name());
    let within = match wanted.strip_prefix(package) {
        Some(rest) if package.is_empty() => rest,
        Some(rest) => match rest.strip_prefix('.') {
            Some(rest) => rest,
            None => return false,
        },
        None => return false,
    };
    let nested = message.full_name().strip_prefix(file.package_name()).unwrap_or_default().trim_start_matches('.');
    if options.java_multiple_files() {
        return within == nested;
    }
    let Some((outer, inner)) = within.split_once('.') else { return false };
    let outer_fits = match options.java_outer_classname.as_deref() {
        Some(name) => outer == name,
        None => !named || outer == outer_class(&file),
    };
    outer_fits && inner == nested
}

/// The outer class of a file, from its name: `foo_bar.proto` gives `FooBar`, or `FooBarOuterClass` if something in the
/// file is called so.
fn outer_class(file: &FileDescriptor) -> String {
    let base = file.name().rsplit('/').next().unwrap_or_default();
    let mut name = String::new();
    let mut upper = true;
    for c in base.split('.').next().unwrap_or_default().chars() {
        if !c.is_ascii_alphanumeric() {
            upper = true;
            continue;
        }
        name.push(if upper { c.to_ascii_uppercase() } else { c });
        upper = c.is_ascii_digit();
    }
    let taken = file.messages().any(|m| m.name() == name)
        || file.enums().any(|e| e.name() == name)
        || file.services().any(|s| s.name() == name);
    if taken { name + "OuterClass" } else { name }
}
