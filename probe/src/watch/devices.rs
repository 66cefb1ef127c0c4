//! Names of this namespace's devices by their index.
use std::collections::HashMap;

/// The names so far. One is asked for when its device is seen first, because devices come and go.
#[derive(Default)]
pub(super) struct Devices(HashMap<u32, String>);

impl Devices {
    /// The name in the calling thread's namespace; `ifINDEX` where the device has gone.
    pub(super) fn name(&mut self, index: u32) -> &str {
        self.0.entry(index).or_insert_with(|| {
            nix::net::if_::if_indextoname(index).map_or_else(
                |_| format!("if{index}"),
                |name| name.to_string_lossy().into_owned(),
            )
        })
    }
}
