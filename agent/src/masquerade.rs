//! Masquerading of traffic that leaves the pod network.
use flatnet_netlink::Nft;
use flatnet_netlink::nft::Table;

use crate::Result;
use crate::desired::TABLE;
use crate::pass::Pass;

/// Writes the wanted nftables table where the kernel's differs from it, in one transaction in which no packet sees it missing, or removes it
/// if `wanted` is `None`. Established masqueraded connections continue, because connection tracking keeps their state.
///
/// # Errors
/// The kernel refuses, for example because it lacks nf_tables or its NAT support.
pub(crate) fn ensure(nft: &mut Nft, wanted: Option<&Table>, pass: &mut Pass) -> Result<()> {
    match wanted {
        Some(table) => {
            if let Some(difference) = nft.difference(table)? {
                nft.replace_table(table)?;
                pass.changed(format_args!("{difference}: written"));
            }
        }
        None if nft.has_table(TABLE)? => {
            nft.delete_table(TABLE)?;
            pass.changed(format_args!("nftables table inet {TABLE}: removed"));
        }
        None => {}
    }
    Ok(())
}
