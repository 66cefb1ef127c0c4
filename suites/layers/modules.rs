//! Reads the source of a crate: its modules, the names each defines and imports, the paths each mentions.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::replace;
use std::path::{Path, PathBuf};

use anyhow::Context;
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, Token, UseTree};

/// The names between the `::` of a path.
pub(crate) type Names = Vec<String>;

/// A module, by its place in [`Crate::modules`].
pub(crate) type Id = usize;

pub(crate) const ROOT: Id = 0;

#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: PathBuf,
    pub(crate) parent: Option<Id>,
    pub(crate) children: BTreeMap<String, Id>,
    /// What is defined here, except modules, and what is imported, with its paths: a type and a function may share a name.
    pub(crate) names: BTreeMap<String, Vec<Names>>,
    /// Imports that end in `::*`, without that.
    pub(crate) globs: Vec<Names>,
    /// Paths outside imports.
    pub(crate) mentions: BTreeSet<Names>,
}

pub(crate) struct Crate {
    pub(crate) modules: Vec<Module>,
}

impl Crate {
    /// The crate with this root file.
    pub(crate) fn read(root_file: &Path) -> anyhow::Result<Self> {
        let mut folder = root_file.to_owned();
        folder.pop();
        let mut reader = Reader {
            modules: vec![Module {
                file: root_file.to_owned(),
                ..Module::default()
            }],
            unread: vec![(ROOT, folder)],
            ..Reader::default()
        };
        while let Some((module, folder)) = reader.unread.pop() {
            let file = &reader.modules[module].file;
            let source =
                fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            let parsed =
                syn::parse_file(&source).with_context(|| format!("parsing {}", file.display()))?;
            (reader.at, reader.folder) = (module, folder);
            reader.visit_file(&parsed);
        }
        Ok(Crate {
            modules: reader.modules,
        })
    }
}

#[derive(Default)]
struct Reader {
    modules: Vec<Module>,
    /// The module that is being read, and the folder with the files of its children.
    at: Id,
    folder: PathBuf,
    /// Modules whose files are still to be read, with the folder of their children.
    unread: Vec<(Id, PathBuf)>,
}

impl Reader {
    fn here(&mut self) -> &mut Module {
        &mut self.modules[self.at]
    }

    fn define(&mut self, name: &Ident) {
        self.here().names.entry(name.to_string()).or_default();
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &Ident| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.import(tree, before));
            }
            UseTree::Glob(_) => return self.here().globs.push(before.to_vec()),
            UseTree::Rename(rename) => (&rename.rename, with(&rename.ident)),
            UseTree::Name(name) => (&name.ident, with(&name.ident)),
        };
        // `use a::b::{self}` imports `b`.
        let name = before
            .last()
            .filter(|_| name == "self")
            .cloned()
            .unwrap_or(name.to_string());
        self.here().names.entry(name).or_default().push(path);
    }

    /// Reads the arguments of a macro or an attribute. A path that begins with `::` is one of another crate.
    fn scan(&mut self, tokens: TokenStream) {
        let mut paths: Vec<Names> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) if colons == 2 => {
                    if let Some(path) = paths.last_mut().filter(|path| !path.is_empty()) {
                        path.push(name.to_string());
                    }
                }
                TokenTree::Ident(name) => paths.push(vec![name.to_string()]),
                TokenTree::Group(group) => {
                    paths.push(Names::new());
                    self.scan(group.stream());
                }
                _ => paths.push(Names::new()),
            }
            colons = 0;
        }
        self.here().mentions.extend(paths);
    }
}

macro_rules! leave_out_tests {
    ($($visit:ident($node:ident: $kind:ident $(, defines $name:expr)?))*) => {$(
        fn $visit(&mut self, $node: &'ast syn::$kind) {
            if !is_for_tests(&$node.attrs) {
                $(self.define(&$name);)?
                visit::$visit(self, $node);
            }
        }
    )*};
}

impl<'ast> Visit<'ast> for Reader {
    leave_out_tests! {
        visit_file(file: File)
        visit_item_const(item: ItemConst, defines item.ident)
        visit_item_enum(item: ItemEnum, defines item.ident)
        visit_item_fn(item: ItemFn, defines item.sig.ident)
        visit_item_impl(item: ItemImpl)
        visit_item_macro(item: ItemMacro)
        visit_item_static(item: ItemStatic, defines item.ident)
        visit_item_struct(item: ItemStruct, defines item.ident)
        visit_item_trait(item: ItemTrait, defines item.ident)
        visit_item_type(item: ItemType, defines item.ident)
        visit_item_union(item: ItemUnion, defines item.ident)
        visit_impl_item_const(item: ImplItemConst)
        visit_impl_item_fn(item: ImplItemFn)
        visit_field(field: Field)
        visit_variant(variant: Variant)
        visit_arm(arm: Arm)
        visit_local(local: Local)
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) && item.leading_colon.is_none() {
            self.import(&item.tree, &[]);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let name = item.ident.to_string();
        let folder = self.folder.join(&name);
        let file = match (&item.content, folder.join("mod.rs")) {
            (Some(_), _) => self.here().file.clone(),
            (None, file) if file.exists() => file,
            (None, _) => folder.with_extension("rs"),
        };
        let (parent, child) = (self.at, self.modules.len());
        self.here().children.insert(name, child);
        self.modules.push(Module {
            file,
            parent: Some(parent),
            ..Module::default()
        });
        if item.content.is_none() {
            return self.unread.push((child, folder));
        }
        self.at = child;
        let outer = replace(&mut self.folder, folder);
        visit::visit_item_mod(self, item);
        (self.at, self.folder) = (parent, outer);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let names = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            self.here().mentions.insert(names.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        self.scan(tokens.clone());
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let condition = attribute.parse_args::<Meta>();
        attribute.path().is_ident("test") || is_cfg && condition.is_ok_and(|it| needs_test(&it))
    })
}

fn needs_test(condition: &Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .is_ok_and(|conditions| conditions.iter().any(needs_test)),
        _ => false,
    }
}
