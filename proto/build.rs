//! Trims the descriptors of the vocabulary to what reading and printing JSON needs, and embeds them. They lie in the
//! sources of `envoy-types`, which does not export them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use prost::Message;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, MessageOptions,
};

/// What is read and printed, by the beginning of a file's name; what these refer to comes along.
const ROOTS: [&str; 7] = [
    "envoy/admin/v3/",
    "envoy/config/",
    "envoy/extensions/",
    "envoy/type/",
    "google/protobuf/",
    "xds/type/",
    "udpa/type/",
];

fn main() -> Result<(), Box<dyn Error>> {
    let source = types()?.join("src/generated/types.bin");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", source.display());
    let set = FileDescriptorSet::decode(std::fs::read(&source)?.as_slice())?;
    let trimmed = FileDescriptorSet { file: reachable(set.file).into_iter().map(bare).collect() };
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), trimmed.encode_to_vec())?;
    Ok(())
}

/// Where the sources of `envoy-types` are.
fn types() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var("CARGO")?;
    let target = std::env::var("TARGET")?;
    // Only of this platform: the sources of others' packages need not be here.
    let arguments = ["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &target];
    let output = Command::new(cargo).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let found = packages.iter().find(|package| package["name"] == "envoy-types");
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = manifest.ok_or("cargo metadata does not know envoy-types")?;
    Ok(Path::new(manifest).parent().ok_or("a manifest lies in a directory")?.to_owned())
}

/// The files of [`ROOTS`] and all they import, in the order they came in: imports first.
fn reachable(files: Vec<FileDescriptorProto>) -> Vec<FileDescriptorProto> {
    let imports: BTreeMap<&str, &[String]> =
        files.iter().map(|file| (file.name(), file.dependency.as_slice())).collect();
    let mut open: Vec<&str> =
        imports.keys().copied().filter(|name| ROOTS.iter().any(|root| name.starts_with(root))).collect();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if kept.insert(name.to_owned()) {
            open.extend(imports.get(name).into_iter().flat_map(|list| list.iter().map(String::as_str)));
        }
    }
    files.into_iter().filter(|file| kept.contains(file.name())).collect()
}

/// Without comments, services, extensions and options: none of them is JSON's business.
fn bare(mut file: FileDescriptorProto) -> FileDescriptorProto {
    file.source_code_info = None;
    file.options = None;
    file.service.clear();
    file.extension.clear();
    for kind in &mut file.enum_type {
        strip_enum(kind);
    }
    for message in &mut file.message_type {
        strip(message);
    }
    file
}

fn strip(message: &mut DescriptorProto) {
    let map = message.options.as_ref().and_then(|options| options.map_entry);
    message.options = map.map(|map| MessageOptions { map_entry: Some(map), ..MessageOptions::default() });
    message.reserved_name.clear();
    message.reserved_range.clear();
    message.extension.clear();
    for FieldDescriptorProto { options, json_name, .. } in &mut message.field {
        *options = None;
        // The one that follows from the name, everywhere in this vocabulary.
        *json_name = None;
    }
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    for kind in &mut message.enum_type {
        strip_enum(kind);
    }
    for inner in &mut message.nested_type {
        strip(inner);
    }
}

fn strip_enum(kind: &mut EnumDescriptorProto) {
    let alias = kind.options.as_ref().and_then(|options| options.allow_alias);
    kind.options = alias.map(|alias| EnumOptions { allow_alias: Some(alias), ..EnumOptions::default() });
    kind.reserved_name.clear();
    kind.reserved_range.clear();
    for value in &mut kind.value {
        value.options = None;
    }
}
