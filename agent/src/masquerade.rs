//! Masquerading of traffic that leaves the pod network.
use flatnet_netlink::Nft;
use flatnet_netlink::nft::Table;

use crate::Result;
use crate::desired::TABLE;
use crate::pass::Pass;

/// Maintains the nftables table.
///
/// The table's contents are not read back: this type remembers what it wrote and only asks whether the table still
/// exists. So the first pass of a process always writes it, in one transaction in which no packet sees it missing;
/// established masqueraded connections continue, because connection tracking keeps their state.
#[derive(Debug, Default)]
pub(crate) struct Masquerade {
    /// What this process wrote last.
    written: Option<Table>,
}

impl Masquerade {
    /// Writes the wanted table, or removes it if `wanted` is `None`.
    ///
    /// # Errors
    /// The kernel refuses, for example because it lacks nf_tables or its NAT support.
    pub(crate) fn ensure(
        &mut self,
        nft: &mut Nft,
        wanted: Option<&Table>,
        pass: &mut Pass,
    ) -> Result<()> {
        let there = nft.has_table(TABLE)?;
        match wanted {
            Some(table) if !there || self.written.as_ref() != Some(table) => {
                nft.replace_table(table)?;
                self.written = Some(table.clone());
                pass.changed(format_args!("nftables table inet {TABLE}: written"));
            }
            None if there => {
                nft.delete_table(TABLE)?;
                self.written = None;
                pass.changed(format_args!("nftables table inet {TABLE}: removed"));
            }
            _ => {}
        }
        Ok(())
    }
}
