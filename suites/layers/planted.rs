//! Made-up sources: what is forbidden must be found, and what only looks like it must pass.
use std::fs;
use std::path::Path;

use anyhow::Context;
use tempfile::TempDir;

use crate::dependencies::{Workspace, forbidden};
use crate::modules::Crate;
use crate::{cycles, this_workspace};

fn write(folder: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
    fs::write(file, content)?;
    Ok(())
}

fn cycles_among(files: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let folder = TempDir::new()?;
    for (name, content) in files {
        write(folder.path(), name, content)?;
    }
    Ok(cycles::find(
        &Crate::read(&folder.path().join("lib.rs"))?,
        folder.path(),
    ))
}

/// Cycles between `a`, with this code in it, and `b`, which uses `a`.
fn cycles_if_a_has(code: &str) -> anyhow::Result<Vec<String>> {
    cycles_among(&[
        (
            "lib.rs",
            "mod a; mod b; mod c { pub use crate::b::{B, a as c}; } mod d { pub struct D; pub fn b() {} }
             pub use b::{B, B as Renamed}; pub use b::*; pub use c::c; pub use d::{*, b}; pub struct Ours;",
        ),
        ("a.rs", &format!("pub struct A; {code}")),
        (
            "b.rs",
            "pub mod inner; pub use inner::*; pub struct B; pub fn a(_: crate::a::A) {}",
        ),
        (
            "b/inner.rs",
            "pub struct Inner; pub const NONE: u8 = 0; pub enum Kind { One }",
        ),
    ])
}

#[test]
fn a_cycle_is_found_however_it_is_written() -> anyhow::Result<()> {
    for code in [
        "use crate::b::B;",
        "use super::b;",
        "use crate::{c as _, b::{self as other}};",
        "use super::b::{inner::{Inner as Other}};",
        "use super::Renamed;",
        "use crate::c::B;",
        "fn f() { super::c(A) }",
        "use super::*; fn f() { b::a(A) }",
        "use super::*; fn f(_: Renamed) {}",
        "use super::b::*;",
        "fn f() { use crate::b::B; }",
        "fn f() -> u8 { crate::b::NONE }",
        "fn f(_: super::b::Kind) {}",
        "fn f<T: Into<Vec<super::B>>>() {}",
        "impl From<crate::B> for A {}",
        "fn f() { println!(\"{}\", crate::b::NONE); }",
        "fn f() { vec![(1, [super::b::inner::Kind::One])]; }",
        "macro_rules! m { () => { $crate::b::NONE } }",
        "struct C { #[arg(value_parser = crate::b::a)] c: u8 }",
        "mod below { use super::super::b::B; }",
        "mod below { mod deeper { fn f(_: crate::b::B) {} } }",
        "#[cfg(not(test))] use crate::b::B;",
    ] {
        let found = cycles_if_a_has(code)?;
        assert_eq!(found.len(), 1, "{code}: {found:?}");
        assert!(found[0].contains("\n  a.rs -> b"), "{code}: {found:?}");
        assert!(
            found[0].contains("\n  b.rs -> a.rs: A"),
            "{code}: {found:?}"
        );
    }
    Ok(())
}

#[test]
fn what_only_looks_like_a_cycle_passes() -> anyhow::Result<()> {
    for code in [
        "use crate::Ours; use super::Ours as Own;",
        "use super::*; use ::b::Other; fn f() { ::b::g() }",
        "fn f(b: u8) -> u8 { b + b.inner() }",
        "use super::*; fn f() { g!(\"crate::b::NONE\", (::b::B), x ::b::B); g!(crate, ::b::B); g!(crate [] ::b::B); }",
        "use super::D;",
        "use anyhow::anyhow; fn f() { anyhow!(1) }",
        "fn f() { super::b() }",
        "use super::*; struct B; fn f(_: B) {}",
        "use super::*; fn f(_: Ours) {}",
        "fn b() {} fn f() { self::b() }",
        "/// Like [`crate::b::B`].\nfn f() {}",
        "pub(in crate::a) fn f() {}",
        "mod below { use super::A; } use below::f;",
        "mod x { use super::y::Y; } mod y { pub struct Y; }",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(all(test, unix))] use crate::b::B;",
        "#[test] fn f() { crate::b::a(A) }",
        "impl A { #[cfg(test)] fn f() { crate::b::a(A) } }",
        "struct C { #[cfg(test)] c: crate::b::B }",
    ] {
        assert_eq!(cycles_if_a_has(code)?, Vec::<String>::new(), "{code}");
    }
    Ok(())
}

#[test]
fn a_cycle_is_named_file_by_file() -> anyhow::Result<()> {
    let found = cycles_among(&[
        ("lib.rs", "mod home; mod other { use crate::home::Public; }"),
        (
            "home/mod.rs",
            "mod one; mod two; mod three; mod four; pub use three::Public; use four::F;",
        ),
        ("home/one.rs", "mod part; pub struct One;"),
        (
            "home/one/part.rs",
            "use super::super::two::{Two, second}; fn f() { Two::new(second()) }",
        ),
        ("home/two.rs", "use super::Public;"),
        (
            "home/three.rs",
            "use crate::home::one::One; pub struct Public;",
        ),
        (
            "home/four.rs",
            "use super::{one::One, Public}; pub struct F;",
        ),
    ])?;
    let expected = "modules of home/mod.rs form a cycle:\
        \n  home/one/part.rs -> home/two.rs: Two, second\
        \n  home/two.rs -> home/three.rs: Public\
        \n  home/three.rs -> home/one.rs: One";
    assert_eq!(found, [expected]);
    Ok(())
}

#[test]
fn a_module_without_a_file_is_an_error() {
    let error = cycles_among(&[("lib.rs", "mod a;")]).expect_err("there is no a.rs");
    assert!(error.to_string().contains("a.rs"), "{error}");
}

/// What the table of this workspace forbids in a made-up one: chains of names. Each package comes with its dependencies, as
/// `dependencies.NAME`; those named flatnet are members.
fn forbidden_among(packages: &[(&str, &[&str])]) -> anyhow::Result<Vec<String>> {
    let folder = TempDir::new()?;
    let names = packages.iter().map(|(name, _)| *name);
    let foreign: Vec<&str> = names.filter(|name| !name.starts_with("flatnet")).collect();
    let workspace = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"flatnet*\"]\nexclude = {foreign:?}\nmetadata.layers = {{}}"
    );
    write(folder.path(), "Cargo.toml", &workspace)?;
    for (name, dependencies) in packages {
        let mut manifest = format!("package = {{ name = {name:?}, edition = \"2024\" }}\n");
        for dependency in *dependencies {
            let (_, used) = dependency.split_once('.').context("a table and a name")?;
            manifest += &format!("{dependency}.path = \"../{used}\"\n");
        }
        write(folder.path(), &format!("{name}/Cargo.toml"), &manifest)?;
        write(folder.path(), &format!("{name}/src/lib.rs"), "")?;
    }
    let layers = this_workspace()?.metadata.layers;
    let found = forbidden(&Workspace::read(folder.path())?, &layers)?;
    let chain = |line: &String| line.split(": ").next().map(str::to_owned);
    Ok(found.iter().filter_map(chain).collect())
}

#[test]
fn a_crate_of_a_higher_layer_is_forbidden_even_to_tests() -> anyhow::Result<()> {
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let model = format!("{table}.flatnet-lab");
        let found = forbidden_among(&[("flatnet-model", &[&model]), ("flatnet-lab", &[])])?;
        assert_eq!(found, ["flatnet-model -> flatnet-lab"], "{table}");
    }
    Ok(())
}

#[test]
fn a_foreign_crate_is_forbidden_through_others_too() -> anyhow::Result<()> {
    let found = forbidden_among(&[
        ("flatnet-analysis", &["dependencies.flatnet-model"]),
        ("flatnet-model", &["dependencies.harmless"]),
        ("harmless", &["dependencies.other", "dependencies.tokio"]),
        ("other", &["dependencies.tokio"]),
        ("tokio", &[]),
    ])?;
    let model = "flatnet-model -> harmless -> tokio";
    assert_eq!(found, [&format!("flatnet-analysis -> {model}"), model]);
    Ok(())
}

#[test]
fn what_the_table_allows_passes() -> anyhow::Result<()> {
    let found = forbidden_among(&[
        ("flatnet-model", &["dependencies.harmless"]),
        (
            "flatnet-analysis",
            &["dependencies.flatnet-model", "dev-dependencies.tokio"],
        ),
        ("flatnet-netlink", &["dependencies.flatnet-model"]),
        (
            "flatnet-lab",
            &["dependencies.flatnet-netlink", "dependencies.k8s-openapi"],
        ),
        (
            "flatnet-cluster",
            &["dependencies.flatnet-lab", "dependencies.kube"],
        ),
        (
            "flatnet-probe",
            &["dependencies.flatnet-netlink", "dependencies.tokio"],
        ),
        (
            "flatnet",
            &[
                "dependencies.flatnet-cluster",
                "dependencies.flatnet-analysis",
            ],
        ),
        ("harmless", &["dev-dependencies.tokio"]),
        ("kube", &["dependencies.k8s-openapi"]),
        ("k8s-openapi", &[]),
        ("tokio", &[]),
    ])?;
    assert_eq!(found, Vec::<String>::new());
    Ok(())
}

#[test]
fn a_crate_without_a_row_is_an_error() -> anyhow::Result<()> {
    let found = forbidden_among(&[("flatnet-new", &[])])?;
    assert_eq!(found, ["flatnet-new is not in the table of layers"]);
    Ok(())
}
