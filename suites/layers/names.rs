//! Follows a path to the modules that it depends on: those it names, and those that re-exports take from.
use crate::modules::{Crate, Id, Names, ROOT};

#[derive(Clone, Copy)]
enum Thing {
    Module(Id),
    Other,
}

struct Search<'c> {
    krate: &'c Crate,
    /// Modules in which a name was looked up; the one that defines it comes last.
    through: Vec<Id>,
    /// Lookups in progress. One that needs its own result has none: `use anyhow::anyhow`.
    pending: Vec<(Id, &'c str)>,
}

impl Crate {
    /// The modules that a path in module `from` depends on. None for a path into another crate, or to a local variable.
    pub(crate) fn follow(&self, from: Id, path: &Names, is_import: bool) -> Vec<Id> {
        let mut search = Search {
            krate: self,
            through: Vec::new(),
            pending: Vec::new(),
        };
        // Only imports end at modules: elsewhere it is a function or a variable of the same name.
        if let (Thing::Module(end), true) = (search.walk(from, path), is_import) {
            search.through.push(end);
        }
        search.through
    }
}

impl<'c> Search<'c> {
    /// What is at the end of a path.
    fn walk(&mut self, from: Id, path: &'c Names) -> Thing {
        let mut at = from;
        for (index, name) in path.iter().enumerate() {
            let module = &self.krate.modules[at];
            let is_last = index + 1 == path.len();
            at = match (name.as_str(), module.children.get(name)) {
                ("crate", _) => ROOT,
                ("self", _) => at,
                ("super", _) => module.parent.unwrap_or(ROOT),
                (_, Some(child)) if !is_last => *child,
                (name, _) => {
                    self.through.push(at);
                    match self.look_up(at, name) {
                        Some(Thing::Module(module)) => module,
                        // Without a definition it is of another crate, or made by a macro.
                        Some(Thing::Other) | None => return Thing::Other,
                    }
                }
            };
        }
        Thing::Module(at)
    }

    /// What a module defines or imports by that name.
    fn look_up(&mut self, at: Id, name: &'c str) -> Option<Thing> {
        if self.pending.contains(&(at, name)) {
            return None;
        }
        self.pending.push((at, name));
        let module = &self.krate.modules[at];
        let thing = match (module.children.get(name), module.names.get(name)) {
            (None, None) => {
                let mut globs = module.globs.iter();
                globs.find_map(|path| self.look_behind(at, path, name))
            }
            (child, imports) => {
                let mut thing = child.map_or(Thing::Other, |child| Thing::Module(*child));
                for path in imports.into_iter().flatten() {
                    let imported = self.walk(at, path);
                    if let Thing::Other = thing {
                        thing = imported;
                    }
                }
                Some(thing)
            }
        };
        self.pending.pop();
        thing
    }

    /// The same for what it imports as `path::*`.
    fn look_behind(&mut self, at: Id, path: &'c Names, name: &'c str) -> Option<Thing> {
        let before = self.through.len();
        if let Thing::Module(module) = self.walk(at, path) {
            self.through.push(module);
            if let Some(thing) = self.look_up(module, name) {
                return Some(thing);
            }
        }
        self.through.truncate(before);
        None
    }
}
