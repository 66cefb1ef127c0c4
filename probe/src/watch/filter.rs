//! The filter in the kernel (classic BPF, socket(7)): keeps most of what is not wanted away from this process, and hands out no more
//! of a frame than is read. What it lets pass is looked at again.
//!
//! It reads from the network header on ([`NETWORK`]), wherever a device's frames have theirs.
use std::collections::BTreeSet;

use nix::libc;
use socket2::SockFilter;

use super::packet::ethertype;

/// Bytes of a frame: headers of a tunnel in a tunnel with an ICMP error that quotes as much come to 300.
pub(super) const FRAME_BYTES: u32 = 512;

/// More ports than this are not filtered by: the program would be too long.
const MOST_PORTS: usize = 500;

const NETWORK: u32 = libc::SKF_NET_OFF as u32;
const PROTOCOL: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_PROTOCOL) as u32;

const LOAD_HALF: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const LOAD_WORD_AT_X: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_IND;
const LOAD_HALF_AT_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const X_NUMBER: u32 = libc::BPF_LDX | libc::BPF_IMM;
const X_HEADER_LENGTH: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JUMP_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

const ICMP: u32 = 1;
const IPV4: u32 = 4;
const TCP: u32 = 6;
const UDP: u32 = 17;
const IPV6: u32 = 41;
const MAGIC: u32 = u32::from_be_bytes(*b"fnp1");
const VXLAN_FLAGS: u32 = 0x0800_0000;

/// Places in the program that are jumped to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    V4,
    V6,
    Udp,
    Ports,
}

#[derive(Default)]
struct Program {
    instructions: Vec<(u32, u8, u32)>,
    jumps: Vec<(usize, Place)>,
    places: Vec<(Place, usize)>,
}

impl Program {
    fn add(&mut self, code: u32, k: u32) -> &mut Self {
        self.instructions.push((code, 0, k));
        self
    }

    fn place(&mut self, place: Place) -> &mut Self {
        self.places.push((place, self.instructions.len()));
        self
    }

    fn jump_if(&mut self, value: u32, to: Place) -> &mut Self {
        self.jumps.push((self.instructions.len(), to));
        self.add(JUMP_EQUAL, value)
    }

    /// Takes the frame if the value is this.
    fn take_if(&mut self, value: u32) -> &mut Self {
        // Skips the return where it is not.
        self.instructions.push((JUMP_EQUAL, 1, value));
        self.add(RETURN, FRAME_BYTES)
    }

    fn refuse(&mut self) -> &mut Self {
        self.add(RETURN, 0)
    }

    fn finish(self) -> Vec<SockFilter> {
        let target = |at: usize| {
            let (_, place) = self.jumps.iter().find(|(from, _)| *from == at)?;
            let (_, to) = self.places.iter().find(|(name, _)| name == place)?;
            Some((to - at - 1) as u8)
        };
        let instructions = self.instructions.iter().enumerate();
        instructions
            .map(|(at, (code, otherwise, k))| {
                SockFilter::new(*code as u16, target(at).unwrap_or(0), *otherwise, *k)
            })
            .collect()
    }
}

/// The filter for probes' messages and these ports; `None` where it would be too long.
pub(super) fn program(ports: &BTreeSet<u16>) -> Option<Vec<SockFilter>> {
    if ports.len() > MOST_PORTS {
        return None;
    }
    let mut program = Program::default();
    program
        .add(LOAD_HALF, PROTOCOL)
        .take_if(ethertype::ARP.into())
        .take_if(ethertype::VLAN.into())
        .take_if(ethertype::SERVICE_VLAN.into())
        .jump_if(ethertype::IPV4.into(), Place::V4)
        .jump_if(ethertype::IPV6.into(), Place::V6)
        .refuse();
    program
        .place(Place::V6)
        .add(X_NUMBER, 40)
        .add(LOAD_BYTE, NETWORK + 6)
        .jump_if(TCP, Place::Ports)
        .jump_if(UDP, Place::Udp)
        // ICMPv6, extension headers, tunnels.
        .add(RETURN, FRAME_BYTES);
    program.place(Place::V4).add(LOAD_HALF, NETWORK + 6);
    // A later fragment.
    program.instructions.push((JUMP_BITS, 1, 0x1fff));
    program
        .refuse()
        .add(X_HEADER_LENGTH, NETWORK)
        .add(LOAD_BYTE, NETWORK + 9)
        .jump_if(TCP, Place::Ports)
        .jump_if(UDP, Place::Udp)
        .take_if(ICMP)
        .take_if(IPV4)
        .take_if(IPV6)
        .refuse();
    program
        .place(Place::Udp)
        .add(LOAD_WORD_AT_X, NETWORK + 8)
        .take_if(MAGIC)
        .take_if(VXLAN_FLAGS);
    program.place(Place::Ports);
    for offset in [0, 2] {
        program.add(LOAD_HALF_AT_X, NETWORK + offset);
        for port in ports {
            program.take_if(u32::from(*port));
        }
    }
    program.refuse();
    Some(program.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ports_still_fit_the_kernel() {
        let ports = |count: u16| (1..=count).collect::<BTreeSet<u16>>();
        let program = program(&ports(500)).unwrap();
        assert!(program.len() < 4096, "{}", program.len());
        assert!(super::program(&ports(501)).is_none());
    }
}
