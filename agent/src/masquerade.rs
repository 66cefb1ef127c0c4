//! The masquerade of traffic that leaves the pod network.
use flatnet_netlink::Nft;
use flatnet_netlink::nft::Table;

use crate::Result;
use crate::desired::TABLE;
use crate::reconcile::Pass;

/// Keeps the table.
///
/// Its contents are not read back: this remembers what it wrote and asks only whether the table is still there. So the
/// first pass of a process writes it in any case, in one transaction in which no packet sees it missing; connections
/// that are masqueraded already go on as they are (connection tracking holds them).
#[derive(Debug, Default)]
pub struct Masquerade {
    /// What this process wrote last.
    written: Option<Table>,
}

impl Masquerade {
    /// Makes the table what is wanted, or removes it.
    ///
    /// # Errors
    /// The kernel refuses; it may lack nf_tables or its NAT.
    pub fn ensure(&mut self, nft: &mut Nft, wanted: Option<&Table>, pass: &mut Pass) -> Result<()> {
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
